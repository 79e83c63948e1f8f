"""Whether a blob's file is being read, known across processes: who reads it shares a lock on it.

The lock (``flock``) belongs to the open file: it falls when the last descriptor of it is closed, or
with the process. Nobody waits for it but who would remove the blob. It protects no bytes, an open
file keeps those anyway; it tells that the blob is wanted just now.
"""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

#: Whoever removes a blob holds its lock for the time of an unlink(2). So often, and with so long a
#: pause (seconds), a reader tries again.
_TRIES = 1000
_PAUSE = 0.001


def mark_read(fd: int) -> None:
    """Say that the blob open as ``fd`` is being read, from now until it is closed.

    Where files cannot be locked it goes unsaid.
    """
    for _ in range(_TRIES):
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_PAUSE)
        except OSError:
            return
        else:
            return


def is_read(path: Path) -> bool:
    """Whether somebody reads, or fills, the file at ``path``; False if there is none."""
    fd = _open(path)
    if fd is None:
        return False
    try:
        return not _lock_alone(fd)
    finally:
        os.close(fd)


def remove_unread(path: Path) -> bool:
    """Remove the file unless somebody reads it; whether it is not there any more."""
    fd = _open(path)
    if fd is None:
        # What is no plain file cannot be read either; a plain one may have come just now.
        if path.is_symlink():
            path.unlink(missing_ok=True)
        return not path.exists()
    try:
        if not _lock_alone(fd):
            return False
        if is_at(path, fd):
            path.unlink(missing_ok=True)
            return True
        # Another file stands there since, which somebody has just brought.
        return not path.exists()
    finally:
        os.close(fd)


def is_at(path: Path, fd: int) -> bool:
    """Whether ``path`` names the very file that ``fd`` has open."""
    return is_named(path, os.fstat(fd))


def is_named(path: Path | str, file: os.stat_result) -> bool:
    """Whether ``path`` names the very ``file``."""
    try:
        there = os.stat(path)  # noqa: PTH116 - for a text at every pull
    except FileNotFoundError:
        return False
    return (there.st_dev, there.st_ino) == (file.st_dev, file.st_ino)


def _open(path: Path) -> int | None:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError:
        if path.is_symlink() or not path.is_file():
            return None
        raise


def _lock_alone(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
