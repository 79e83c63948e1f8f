"""A fill: one missing blob on its way into the store, read by many while it arrives.

There is at most one :class:`Fill` per digest in a process, and at most one of them, across all
processes, holds the part's lock and asks upstream; see :mod:`cache.streaming.filler` for that
side and :mod:`cache.streaming.reader` for the readers'. This class is where the two meet: how
many bytes may be shown, in which file they stand, and how it ended.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from cache.oci.digest import Digest
from cache.streaming.source import CHANGED, SourceFailed

#: Bytes at the end of what has arrived that no reader gets before the digest is verified. A blob
#: that is smaller, such as an image's configuration, is verified before its first byte leaves.
HOLDBACK = 64 * 1024

#: Readers are woken at most this often (seconds), so that a fast upstream with a thousand readers
#: does not wake a thousand threads for every chunk.
WAKE_STEP = 0.02

#: A reader looks by itself after this many seconds, for the bytes that came after the last wake.
LOOK_AGAIN = 0.5

_COMPARE_STEP = 1024 * 1024


@dataclass(slots=True)
class Cursor:
    """Where a reader stands: it was given the bytes from ``start`` to ``position``."""

    start: int
    position: int
    generation: int


class Fill:
    """The shared state of one fill in this process. All methods may be called by any thread."""

    def __init__(self, digest: Digest) -> None:
        self.digest = digest
        self.size: int | None = None
        self.origin: str | None = None
        self._changed = threading.Condition()
        self._fd: int | None = None
        self._arrived = 0
        self._verified = False
        self._failure: SourceFailed | None = None
        self._woken_at = 0.0
        self._generation = 0
        self._old_fd: int | None = None
        self._compared = 0
        self._diverged_at: int | None = None
        self._retired: list[int] = []
        self._users = 0

    # -- the filler's side ---------------------------------------------------------------------

    def switch(self, fd: int, arrived: int) -> None:
        """Show the bytes of the file ``fd`` (taken over), ``arrived`` of them, from now on.

        Readers who are in the middle of another file go on in this one as long as the two agree
        in all that they were given; otherwise they end short.
        """
        with self._changed:
            if self._fd is None or os.path.sameopenfile(fd, self._fd):
                self._adopt_same(fd)
            else:
                self._close_comparison()
                self._old_fd, self._fd = self._fd, fd
                self._generation += 1
                self._compared = 0
                self._diverged_at = None
                self._arrived = 0
        self.advance(arrived)

    def advance(self, arrived: int) -> None:
        """Bytes up to ``arrived`` stand in the file."""
        self._compare(arrived)
        now = time.monotonic()
        with self._changed:
            self._arrived = arrived
            if now - self._woken_at >= WAKE_STEP:
                self._woken_at = now
                self._changed.notify_all()

    def answered(self, size: int | None, origin: str | None) -> None:
        """The source has the blob: its ``size`` in bytes if told, asked for by ``origin``."""
        with self._changed:
            self.size = size if size is not None else self.size
            self.origin = origin
            self._changed.notify_all()

    def succeed(self) -> None:
        """The digest is right: show the rest."""
        with self._changed:
            self.size = self._arrived
            self._verified = True
            self._changed.notify_all()

    def fail(self, failure: SourceFailed) -> None:
        """It will not come; a blob that was already verified stays readable."""
        with self._changed:
            self._failure = failure
            self._changed.notify_all()

    # -- the readers' side ---------------------------------------------------------------------

    def enter(self) -> None:
        """One more user; the files stay open until each has left."""
        with self._changed:
            self._users += 1

    def leave(self) -> None:
        """One user less; the last one closes the files."""
        with self._changed:
            self._users -= 1
            if self._users:
                return
            for fd in (self._fd, self._old_fd, *self._retired):
                if fd is not None:
                    os.close(fd)
            self._fd = self._old_fd = None
            self._retired = []

    def cursor(self, start: int) -> Cursor:
        """A new reader's place."""
        with self._changed:
            return Cursor(start, start, self._generation)

    def wait_answered(self, timeout: float) -> bool:
        """Wait until the source is known to have the blob (``size`` is then set, if it told).

        False when ``timeout`` (seconds) passed first; raises :class:`SourceFailed`.
        """
        return self._wait(lambda: self.origin is not None, timeout)

    def wait_readable(self, start: int, timeout: float) -> bool:
        """Wait until the byte at ``start`` can be read, or the blob is known to end before it.

        False when ``timeout`` (seconds) passed first; raises :class:`SourceFailed`.
        """
        return self._wait(lambda: self._visible() > start, timeout)

    def read(self, cursor: Cursor, length: int) -> bytes:
        """The next bytes for a reader, at most ``length``; waits for them and moves the cursor.

        Empty at the blob's end. Raises :class:`SourceFailed` when the fill failed, or when a new
        transfer turns out to differ from what this reader was given of the one before.
        """
        with self._changed:
            while not (self._verified or self._visible() > cursor.position):
                if self._failure is not None:
                    raise self._failure
                self._changed.wait(LOOK_AGAIN)
            self._follow_generation(cursor)
            fd = self._fd
            length = min(length, self._visible() - cursor.position)
        if fd is None or length <= 0:
            return b""
        data = os.pread(fd, length, cursor.position)
        cursor.position += len(data)
        return data

    def _wait(self, arrived: Callable[[], bool], timeout: float) -> bool:
        deadline = time.monotonic() + timeout
        with self._changed:
            while not (self._verified or arrived()):
                if self._failure is not None:
                    raise self._failure
                remaining = deadline - time.monotonic()
                if remaining <= 0:
                    return False
                self._changed.wait(min(remaining, LOOK_AGAIN))
            return True

    def _visible(self) -> int:
        """How many bytes a reader may have had by now."""
        return self._arrived if self._verified else self._arrived - HOLDBACK

    def _follow_generation(self, cursor: Cursor) -> None:
        """Let a reader go on in a newer file, if what it was given is the same there."""
        if cursor.generation == self._generation:
            return
        if cursor.position > cursor.start:
            skipped_one = cursor.generation < self._generation - 1
            differs = self._diverged_at is not None and self._diverged_at < cursor.position
            if skipped_one or differs:
                raise SourceFailed(CHANGED, "the transfer began anew with other bytes")
        cursor.generation = self._generation

    def _compare(self, arrived: int) -> None:
        """Look for the first byte in which a new transfer differs from the one before it."""
        while self._old_fd is not None and self._fd is not None and self._compared < arrived:
            step = min(_COMPARE_STEP, arrived - self._compared)
            before = os.pread(self._old_fd, step, self._compared)
            after = os.pread(self._fd, len(before), self._compared)
            if before != after or len(before) < step:
                with self._changed:
                    if before != after:
                        same = len(os.path.commonprefix([before, after]))  # noqa: RUF071 - any sequences
                        self._diverged_at = self._compared + same
                    self._close_comparison()
                return
            self._compared += step

    def _adopt_same(self, fd: int) -> None:
        """Take over ``fd`` if there is none yet; a second one on the same file is not needed."""
        if self._fd is None:
            self._fd = fd
        else:
            os.close(fd)

    def _close_comparison(self) -> None:
        if self._old_fd is not None:
            self._retired.append(self._old_fd)
        self._old_fd = None
