"""A little room set aside, since what removes must write first.

Records go before files, and a database on the store's own disk cannot write when that is full to
the last byte: then nothing could be removed that would make room. It is other programs that fill it
so far; fills leave free what must be.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cache import runtime

#: What one transaction of an eviction writes, in bytes: some pages for each of a thousand blobs.
_MOST = 16 * 1024**2

#: Of a small disk no more is set aside than this share.
_SHARE = 64


@contextmanager
def drawn_upon() -> Iterator[int]:
    """While the block runs, a full disk has what was set aside; after it, that is so again.

    The block is given how many bytes it has so, for which there is to be room at its end.
    """
    mirror = runtime.current()
    path = mirror.config.storage.root / "retention" / "reserve"
    size = min(_MOST, mirror.store.space().total // _SHARE)
    drawn = 0
    if path.exists() and mirror.store.space().free < size:
        path.unlink(missing_ok=True)
        drawn = size
    try:
        yield drawn
    finally:
        # Without it all goes on as well: there may be no room yet.
        with suppress(OSError):
            _set_aside(path, size)


def _set_aside(path: Path, size: int) -> None:
    if path.exists():
        return
    path.parent.mkdir(mode=0o700, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        with draft.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, size)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
