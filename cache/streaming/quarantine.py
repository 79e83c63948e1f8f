"""The quarantine: what was found wrong in the store, kept aside for the operator, within bounds."""

from __future__ import annotations

import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many things, and how many bytes of them together, stay in the quarantine."""

    count: int = 64
    size: int = 8 * 1024**3


def move_aside(path: Path, folder: Path, name: str) -> Path | None:
    """Move what stands at ``path`` into ``folder`` as ``<name>.<n>``; where it is now.

    None if nothing is there. Raises ``OSError``.
    """
    folder.mkdir(exist_ok=True, mode=0o700)
    taken = (entry.suffix[1:] for entry in folder.iterdir() if entry.stem == name)
    number = max((int(text) for text in taken if text.isdecimal()), default=0) + 1
    try:
        return path.rename(folder / f"{name}.{number}")
    except FileNotFoundError:
        return None


def keep_within(bounds: Bounds, folder: Path) -> None:
    """Remove the oldest until the rest is within the bounds, which may be all."""
    count = size = 0
    for path, length in _newest_first(folder):
        count, size = count + 1, size + length
        if count > bounds.count or size > bounds.size:
            _remove(path)


def _newest_first(folder: Path) -> list[tuple[Path, int]]:
    """What is in quarantine with its size in bytes; the time of the move is the inode's change."""
    found = []
    for path in folder.iterdir():
        status = path.lstat()
        size = sum(_sizes(path)) if stat.S_ISDIR(status.st_mode) else status.st_size
        found.append((status.st_ctime_ns, path, size))
    return [(path, size) for _, path, size in sorted(found, reverse=True)]


def _sizes(folder: Path) -> Iterator[int]:
    return (path.lstat().st_size for path in folder.rglob("*"))


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
