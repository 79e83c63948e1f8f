"""What lies in the store's folders: blobs in the order of their digests, and what is no blob.

Blobs stand at ``<algorithm>/<first two hex digits>/<hex>``; parts and what is known of them at
``<algorithm>-<hex>.part`` and ``.json``.
"""

from __future__ import annotations

import fcntl
import os
import re
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cache.oci.digest import HEX_LENGTHS, Digest
from cache.oci.errors import RegistryError
from cache.streaming.part import Part
from cache.streaming.reading import is_at

_PREFIX = re.compile(r"[0-9a-f]{2}")
_PART = ".part"
_BESIDE_A_PART = (".json", ".json.new", ".part.new")


@dataclass(frozen=True, slots=True)
class Stray:
    """Something in the store's folders that is neither a blob nor a fill at work.

    A ``stranger`` was put there by somebody else; a ``leftover`` is of a fill that nobody
    continues. ``name`` is the path below the store's root.
    """

    kind: Literal["stranger", "leftover"]
    name: str


def list_blobs(folder: Path, after: Digest | None) -> Iterator[tuple[Digest, int]]:
    """The blobs below ``folder`` with their sizes in bytes, those after ``after``, in order."""
    beginning = ("", "") if after is None else (after.algorithm, after.hex[:2])
    for algorithm in sorted(HEX_LENGTHS):
        for prefix in _names(folder / algorithm):
            if (algorithm, prefix) < beginning or not _PREFIX.fullmatch(prefix):
                continue
            for name in _names(folder / algorithm / prefix):
                digest = _digest(algorithm, prefix, name)
                if digest is None or (after is not None and str(digest) <= str(after)):
                    continue
                size = plain_size(folder / algorithm / prefix / name)
                if size is not None:
                    yield digest, size


def list_strangers(folder: Path) -> Iterator[Path]:
    """Whatever below ``folder`` is neither a blob nor one of the folders that hold them."""
    for algorithm in _names(folder):
        top = folder / algorithm
        if algorithm not in HEX_LENGTHS or not _is_folder(top):
            yield top
            continue
        for prefix in _names(top):
            if not _PREFIX.fullmatch(prefix) or not _is_folder(top / prefix):
                yield top / prefix
                continue
            for name in _names(top / prefix):
                path = top / prefix / name
                if _digest(algorithm, prefix, name) is None or plain_size(path) is None:
                    yield path


def list_filling(folder: Path) -> set[Digest]:
    """The digests of the parts in ``folder`` that fillers have locked."""
    digests = (flat_digest(name.removesuffix(_PART)) for name in _names(folder) if _PART in name)
    return {
        digest
        for digest in digests
        if digest is not None and _is_locked(folder / f"{digest.algorithm}-{digest.hex}{_PART}")
    }


def flat_digest(name: str) -> Digest | None:
    """The digest that is written ``<algorithm>-<hex>``, as one file name."""
    try:
        return Digest.parse(name.replace("-", ":", 1))
    except RegistryError:
        return None


def list_leftovers(folder: Path, before: float) -> Iterator[Path]:
    """What fills left in ``folder``, untouched since ``before`` (seconds since the epoch).

    A part that a filler has locked is none, however slow the filler is.
    """
    for name in _names(folder):
        path = folder / name
        try:
            status = path.lstat()
        except FileNotFoundError:
            continue
        if status.st_mtime >= before or not stat.S_ISREG(status.st_mode):
            continue
        if path.suffix == _PART:
            if not _is_locked(path):
                yield path
        elif name.endswith(_BESIDE_A_PART) and not (folder / _part_name(name)).exists():
            yield path


def remove_leftover(path: Path) -> bool:
    """Remove what ``list_leftovers`` named, unless a filler has taken it up since."""
    if path.suffix != _PART:
        path.unlink(missing_ok=True)
        return True
    with suppress(FileNotFoundError, BlockingIOError):
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        part = Part(path, fd)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if is_at(path, fd):
                part.remove()
                return True
        finally:
            part.close()
    return False


def plain_size(path: Path) -> int | None:
    """The size in bytes of the plain file at ``path``; None if it is gone or something else."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None


def _names(folder: Path) -> list[str]:
    try:
        return sorted(path.name for path in folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def _part_name(beside: str) -> str:
    return f"{beside.partition('.')[0]}{_PART}"


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _digest(algorithm: str, prefix: str, name: str) -> Digest | None:
    try:
        digest = Digest.parse(f"{algorithm}:{name}")
    except RegistryError:
        return None
    return digest if digest.hex[:2] == prefix else None


def _is_locked(path: Path) -> bool:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False
