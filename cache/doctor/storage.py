"""The folder that holds everything: whose it is, what fits, how fast it is, whether locks hold."""

from __future__ import annotations

import fcntl
import os
import pwd
import shutil
import stat
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from cache.doctor.line import Line, error, ok, warning

TOPIC = "store"

#: Less than this share of the disk, and less than so many bytes, is little.
LITTLE_SHARE = 0.1
LITTLE_ROOM = 10 * 1024**3
LITTLE_INODES = 100_000

#: What is written to see how fast the disk is, in bytes, and what is slow (bytes per second): one
#: client on a fast line takes as much.
TRIAL = 32 * 1024**2
SLOW = 50 * 1024**2

#: A small write that is on the disk only after so long (seconds) keeps pulls waiting for records.
SLOW_SYNC = 0.05
SYNCS = 11

#: Where locks may not reach other machines, and SQLite's own say that it must not be kept.
NETWORKED = frozenset({"nfs", "nfs4", "cifs", "smb3", "ceph", "fuse.glusterfs", "fuse.sshfs"})

_SET_ROOT = "set storage.filesystem.rootdirectory to another folder"
_AS_OWNER = "run this, and the mirror, as the folder's owner"


def look(root: Path, reserve: Callable[[int], int]) -> Iterator[Line]:
    """Look at the folder; nothing stays in it.

    ``reserve`` says of a file system's size (bytes) how much of it must stay free.
    """
    try:
        status = root.stat()
    except FileNotFoundError:
        yield _absent(root)
        return
    except OSError as failure:
        yield error(TOPIC, f"{root} cannot be looked at ({failure.strerror})", _AS_OWNER)
        return
    if not stat.S_ISDIR(status.st_mode):
        yield error(TOPIC, f"{root} is no folder", _SET_ROOT)
        return
    if status.st_uid != os.geteuid():
        found = f"{root} belongs to {_user(status.st_uid)} and this is {_user(os.geteuid())}"
        yield error(TOPIC, found, _AS_OWNER)
        return
    # The group may pass through, to blobs that are handed over to a proxy (http.accel).
    if stat.S_IMODE(status.st_mode) & ~stat.S_IXGRP & 0o077:
        found = f"{root} can be entered by other users ({stat.S_IMODE(status.st_mode):04o})"
        yield warning(TOPIC, found, f"chmod 700 {root}, for private images are in it")
    yield from _room(root, reserve)
    try:
        yield _writes(root)
        yield _syncs(root)
        yield _locks(root)
    except OSError as failure:
        reason = failure.strerror or "it failed"
        yield error(TOPIC, f"{root} cannot be written to ({reason})", f"mend that, or {_SET_ROOT}")
    yield from _one_disk(root)


def kind_of(folder: Path) -> str:
    """The type of the file system that ``folder`` is on, as mount(8) has it; empty if unknown."""
    found = ("", "")
    for row in Path("/proc/self/mountinfo").read_text("utf-8").splitlines():
        before, _, after = row.partition(" - ")
        point = before.split()[4].encode().decode("unicode_escape")
        if (folder == Path(point) or Path(point) in folder.parents) and len(point) >= len(found[0]):
            found = (point, after.split()[0])
    return found[1]


def _absent(root: Path) -> Line:
    """The first start makes the folder, where it can."""
    nearest = next(parent for parent in root.parents if os.access(parent, os.F_OK))
    if nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK):
        return ok(TOPIC, f"{root} is not there yet: the first start makes it")
    return error(TOPIC, f"{root} is not there and cannot be made in {nearest}", _SET_ROOT)


def _room(root: Path, reserve: Callable[[int], int]) -> Iterator[Line]:
    usage = shutil.disk_usage(root)
    reserved = reserve(usage.total)
    found = f"{_gib(usage.free)} of {_gib(usage.total)} are free"
    if not usage.free:
        yield error(TOPIC, found, "make room: what is pulled is not kept")
    elif usage.free < reserved:
        found += f", and {_gib(reserved)} are to stay so (retention.min_free)"
        advice = "make room, or lower it: what is pulled is kept only where something else may go"
        yield warning(TOPIC, found, advice)
    elif usage.free < LITTLE_ROOM and usage.free < usage.total * LITTLE_SHARE:
        yield warning(TOPIC, found, "make room, or what is pulled will soon not be kept")
    else:
        yield ok(TOPIC, found)
    inodes = os.statvfs(root)
    # Some file systems have as many as they need, and say 0.
    if inodes.f_files and inodes.f_favail < LITTLE_INODES:
        found = f"{inodes.f_favail} files more fit on the disk"
        yield warning(TOPIC, found, "make the file system anew with more inodes, or remove files")


def _writes(root: Path) -> Line:
    size = min(TRIAL, shutil.disk_usage(root).free // 4)
    with tempfile.TemporaryFile(dir=root, buffering=0) as file:
        piece = os.urandom(1024**2)
        began = time.monotonic()
        for _ in range(max(1, size // len(piece))):
            file.write(piece)
        os.fsync(file.fileno())
        seconds = time.monotonic() - began
    rate = max(1, size // len(piece)) * len(piece) / max(seconds, 1e-6)
    found = f"{rate / 1024**2:.0f} MiB are written in a second"
    if rate < SLOW:
        return warning(TOPIC, found, "a cold pull is no faster: use a faster disk")
    return ok(TOPIC, found)


def _syncs(root: Path) -> Line:
    took = []
    with tempfile.TemporaryFile(dir=root, buffering=0) as file:
        for _ in range(SYNCS):
            began = time.monotonic()
            file.write(bytes(512))
            os.fsync(file.fileno())
            took.append(time.monotonic() - began)
    typical = statistics.median(took)
    found = f"a small write is safe after {typical * 1000:.1f} ms"
    if typical > SLOW_SYNC:
        return warning(TOPIC, found, "each new blob waits for that: use a disk with a write cache")
    return ok(TOPIC, found)


def _locks(root: Path) -> Line:
    """A lock keeps out whoever has opened the file on its own, also in this process (flock(2))."""
    with tempfile.NamedTemporaryFile(dir=root, prefix=".doctor-") as one:
        other = os.open(one.name, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(one, fcntl.LOCK_EX | fcntl.LOCK_NB)
            try:
                fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return ok(TOPIC, f"locks hold ({kind_of(root) or 'unknown'} file system)")
        finally:
            os.close(other)
    advice = f"every worker would fetch each blob for itself: {_SET_ROOT}"
    return error(TOPIC, "locks hold nobody back", advice)


def _one_disk(root: Path) -> Iterator[Line]:
    """A blob becomes visible by a rename, which is for one file system only."""
    folders = [folder for name in ("parts", "blobs") if (folder := root / name).is_dir()]
    if len({folder.stat().st_dev for folder in folders}) > 1:
        found = "the folders blobs and parts are on different file systems"
        yield error(TOPIC, found, "put them on one: no blob can be kept")


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"user {number}"


def _gib(size: int) -> str:
    return f"{size / 1024**3:.1f} GiB"
