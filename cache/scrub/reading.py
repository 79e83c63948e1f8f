"""Reading a blob as the disk has it, at a pace, without pushing others out of memory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import BinaryIO

from cache.scrub.pace import Pace

#: Bytes read at a time.
STEP = 256 * 1024

#: What opening a blob is charged, in bytes: a thousand small ones are work for a disk, too.
OPENING = 64 * 1024


def read_from_disk(file: BinaryIO, pace: Pace) -> Iterator[bytes]:
    """The bytes of ``file`` from its start; raises ``OSError``.

    The kernel is made to forget its copy first: what a disk has lost shows only when the disk is
    read. It keeps the new copy if it had one before, since the blob is being pulled then.
    """
    fd = file.fileno()
    is_warm = _is_in_memory(fd)
    _forget(fd, 0, 0)
    pace.spend(OPENING)
    position = 0
    while data := file.read(STEP):
        pace.spend(len(data))
        if not is_warm:
            _forget(fd, position, len(data))
        position += len(data)
        yield data
    if not is_warm:
        _forget(fd, 0, 0)


def _forget(fd: int, position: int, length: int) -> None:
    """Drop the kernel's copy of a stretch of the file; a length of 0 is up to its end."""
    os.posix_fadvise(fd, position, length, os.POSIX_FADV_DONTNEED)


def _is_in_memory(fd: int) -> bool:
    """Whether the file's first byte can be had without the disk: then pulls have cared for it."""
    try:
        return os.preadv(fd, [bytearray(1)], 0, os.RWF_NOWAIT) > 0
    except OSError:
        # It is not in memory (EAGAIN), or the file system cannot tell.
        return False
