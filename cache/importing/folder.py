"""The storage folder of a distribution registry, read as a stranger reads it.

Below `docker/registry/v2/` stand `blobs/<algorithm>/<two hex digits>/<hex>/data`, each content
once, and for each repository files named `link` that hold a digest:
`_layers/<algorithm>/<hex>/link`, `_manifests/revisions/<algorithm>/<hex>/link` and
`_manifests/tags/<tag>/current/link`. `_uploads` holds what is being pushed and is never looked at.
(distribution, `registry/storage/paths.go`)

Nothing here follows a symbolic link, nor believes more of a name than the grammar allows.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from cache.oci.digest import HEX_LENGTHS, Digest
from cache.oci.errors import RegistryError
from cache.oci.reference import LONGEST_NAME

_TREE = Path("docker/registry/v2")

#: Where a pull-through cache of distribution keeps when its content expires.
_SCHEDULE = "scheduler-state.json"

#: A link holds one digest; whatever is longer (bytes) is none.
_LONGEST_LINK = 256

_PLAIN = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


class NoRegistry(Exception):
    """There is no registry's storage; the message is a sentence for the operator."""


@dataclass(frozen=True, slots=True)
class Link:
    """The folder says that a repository has something, since ``written_at`` (epoch seconds).

    ``name`` is what it is found under: a tag, or hex digits. ``digest`` is None if the file does
    not hold one, or holds another than it is found under.
    """

    name: str
    digest: Digest | None
    written_at: float


@dataclass(frozen=True, slots=True)
class Content:
    """A blob's or manifest's file: ``size`` in bytes, ``written_at`` in epoch seconds."""

    size: int
    written_at: float


class RegistryFolder:
    """The folder that `storage.filesystem.rootdirectory` named for a distribution registry."""

    def __init__(self, root: Path) -> None:
        """Raises NoRegistry, or ``OSError`` if the folder cannot be read."""
        self.root = root
        self._tree = root / _TREE
        self._repositories = self._tree / "repositories"
        if not self._tree.is_dir():
            raise NoRegistry(
                f"there is no registry's storage in {root}: it has no folder {_TREE}; name the "
                "folder that the registry has as storage.filesystem.rootdirectory"
            )
        for folder in (self._tree / "blobs", self._repositories):
            # A folder that this user may not look into would seem an empty one.
            with suppress(FileNotFoundError):
                os.scandir(folder).close()
        self.is_cache = (root / _SCHEDULE).is_file()

    def repositories(self) -> Iterator[str]:
        """The names of the repositories, in order; no more grammar is promised than a path's."""
        return self._below(self._repositories, "")

    def layers(self, repository: str) -> Iterator[Link]:
        """The blobs that the repository has."""
        return self._by_digest(self._repositories / repository / "_layers")

    def revisions(self, repository: str) -> Iterator[Link]:
        """The manifests that the repository has."""
        return self._by_digest(self._repositories / repository / "_manifests" / "revisions")

    def tags(self, repository: str) -> Iterator[Link]:
        """Where the repository's tags point."""
        folder = self._repositories / repository / "_manifests" / "tags"
        for name in _folders(folder):
            link = _read_link(name, folder / name / "current")
            if link is not None:
                yield link

    def open_blob(self, digest: Digest) -> BinaryIO | None:
        """The content as it stands there, open at its start; None if it is no plain file.

        Raises ``OSError``.
        """
        return _open(self._blob_path(digest))

    def stat_blob(self, digest: Digest) -> Content | None:
        """How large it is and since when it is there; None if it is not."""
        try:
            status = self._blob_path(digest).lstat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        if not stat.S_ISREG(status.st_mode):
            return None
        return Content(status.st_size, status.st_mtime)

    def _blob_path(self, digest: Digest) -> Path:
        return self._tree / "blobs" / digest.algorithm / digest.hex[:2] / digest.hex / "data"

    def _below(self, folder: Path, name: str) -> Iterator[str]:
        if len(name) > LONGEST_NAME:
            return
        inner = _folders(folder)
        if "_layers" in inner or "_manifests" in inner:
            yield name
        for each in inner:
            if not each.startswith("_"):
                yield from self._below(folder / each, f"{name}/{each}" if name else each)

    def _by_digest(self, folder: Path) -> Iterator[Link]:
        for algorithm in sorted(HEX_LENGTHS):
            for name in _folders(folder / algorithm):
                link = _read_link(name, folder / algorithm / name)
                if link is None:
                    continue
                is_named_so = str(link.digest) == f"{algorithm}:{name}"
                yield link if is_named_so else Link(name, None, link.written_at)


def _folders(folder: Path) -> list[str]:
    """The names of the folders in ``folder``, in order; none if there is no such folder."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
    except (FileNotFoundError, NotADirectoryError):
        return []


def _read_link(name: str, folder: Path) -> Link | None:
    """The link in ``folder``; None without one, which is how the registry deletes."""
    file = _open(folder / "link")
    if file is None:
        return None
    with file:
        text = file.read(_LONGEST_LINK + 1)
        written_at = os.fstat(file.fileno()).st_mtime
    try:
        return Link(name, Digest.parse(text.decode("ascii").strip()), written_at)
    except (RegistryError, UnicodeDecodeError):
        return Link(name, None, written_at)


def _open(path: Path) -> BinaryIO | None:
    try:
        fd = os.open(path, _PLAIN)
    except (FileNotFoundError, NotADirectoryError):
        return None
    if stat.S_ISREG(os.fstat(fd).st_mode):
        return os.fdopen(fd, "rb", buffering=0)
    os.close(fd)
    return None
