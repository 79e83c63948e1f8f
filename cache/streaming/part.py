"""A part file: a fill's bytes so far, and the meeting place of all processes that want them.

The bytes stand in ``<alg>-<hex>.part``; beside them ``<alg>-<hex>.json`` says what the filler
learned. The filler holds an advisory lock (``flock``) on the part file, and the lock falls with
its process. A part is never truncated: what turns out wrong is unlinked and begun anew, so that a
reader's open file keeps the bytes that it has already sent.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from cache.streaming.reading import is_at, mark_read
from cache.streaming.source import Chunk, SourceFailed

_FLAGS = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a fill ended without its blob, and when (seconds since the epoch)."""

    kind: str
    message: str
    retry_after: int | None
    origin: str | None
    at: float

    def as_error(self) -> SourceFailed:
        """The error to raise in a reader's process."""
        return SourceFailed(
            self.kind, self.message, retry_after=self.retry_after, origin=self.origin
        )


@dataclass(frozen=True, slots=True)
class PartInfo:
    """What the filler learned: ``size`` in bytes if told, ``origin`` if the source answered."""

    size: int | None = None
    origin: str | None = None
    failure: Failure | None = None


class PartChanged(OSError):
    """Somebody else has had a hand in a part file: what stands in it is nobody's blob."""

    def __init__(self) -> None:
        super().__init__(errno.EIO, "the part file was changed from outside")


class Part:
    """A locked part file, owned by this process's filler. Close it to drop the lock."""

    def __init__(self, path: Path, fd: int) -> None:
        self.path = path
        self.fd = fd
        self.size = os.fstat(fd).st_size
        self._is_blob = False

    def write(self, data: Chunk) -> None:
        """Append ``data``; raises ``OSError`` when the disk does not take it, ``PartChanged``."""
        self.check()
        view = memoryview(data)
        while view:
            # O_APPEND: what is cut in this moment does not become a hole, and is found later.
            written = os.write(self.fd, view)
            self.size += written
            view = view[written:]

    def read(self, length: int, offset: int) -> bytes:
        """Up to ``length`` of the bytes at ``offset``."""
        return os.pread(self.fd, length, offset)

    def check(self) -> None:
        """Raise ``PartChanged`` unless the file is as long as what was written."""
        if os.fstat(self.fd).st_size != self.size:
            raise PartChanged

    def describe(self, info: PartInfo) -> None:
        """Publish what is known, whole or not at all."""
        target = info_path(self.path)
        _, draft = drafts_of(self.path)
        try:
            draft.write_text(json.dumps(asdict(info)), encoding="utf-8")
            draft.replace(target)
        except OSError:
            draft.unlink(missing_ok=True)
            raise

    def info(self) -> PartInfo:
        """What an earlier or present filler published."""
        return read_info(self.path)

    def renew(self) -> Part:
        """Throw the bytes away: a new, empty, locked file stands at the path; this one stays open.

        The new file is locked before it takes the path, so nobody else can become the filler.
        """
        draft, _ = drafts_of(self.path)
        draft.unlink(missing_ok=True)
        fd = os.open(draft, _FLAGS | os.O_EXCL, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            draft.replace(self.path)
        except BaseException:
            os.close(fd)
            raise
        return Part(self.path, fd)

    def become_blob(self, target: Path) -> None:
        """Take the place of a blob, in one rename; the filler is one of the blob's readers then."""
        self.path.replace(target)
        self._is_blob = True
        mark_read(self.fd)

    def close(self) -> None:
        """Drop the lock and the file.

        The lock is dropped by name, since a reader's duplicate of the descriptor would keep it;
        which is right for a blob, as long as its bytes are being sent.
        """
        if not self._is_blob:
            fcntl.flock(self.fd, fcntl.LOCK_UN)
        os.close(self.fd)

    def remove(self) -> None:
        """Unlink the part and what was published about it."""
        info_path(self.path).unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)


def lock_part(path: Path) -> Part | None:
    """Become the filler of the part at ``path``, made if missing; None if another one is."""
    while True:
        fd = os.open(path, _FLAGS, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return None
        except BaseException:
            os.close(fd)
            raise
        if is_at(path, fd):
            return Part(path, fd)
        # Between opening and locking, the file was committed or thrown away under our hands.
        os.close(fd)


def info_path(part: Path) -> Path:
    """Where the facts about a part file stand."""
    return part.with_suffix(".json")


def drafts_of(part: Path) -> tuple[Path, Path]:
    """Where a new part file and new facts are made, before they take their places."""
    return part.with_suffix(".part.new"), part.with_suffix(".json.new")


def read_info(part: Path) -> PartInfo:
    """The facts published about a part file; nothing known if there are none, or unreadable."""
    try:
        found = json.loads(info_path(part).read_text(encoding="utf-8"))
        failure = found["failure"]
        return PartInfo(
            size=found["size"],
            origin=found["origin"],
            failure=Failure(**failure) if failure else None,
        )
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return PartInfo()
