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
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from cache.oci.digest import Digest
from cache.streaming.comparison import Comparison
from cache.streaming.order import Order
from cache.streaming.source import CHANGED, STORE_FAILED, SourceFailed
from cache.streaming.span import Span

#: Bytes at the end of what has arrived that no reader gets before the digest is verified. A blob
#: that is smaller, such as an image's configuration, is verified before its first byte leaves.
HOLDBACK = 64 * 1024

#: Readers are woken at most this often (seconds), so that a fast upstream with a thousand readers
#: does not wake a thousand threads for every chunk.
WAKE_STEP = 0.02

#: A reader looks by itself after this many seconds, for the bytes that came after the last wake.
LOOK_AGAIN = 0.5


@dataclass(slots=True)
class Cursor:
    """Where a reader stands: it was given the bytes from ``start`` to ``position``.

    ``total`` is the blob's size in bytes that the reader's client was told, if any.
    """

    start: int
    position: int
    total: int | None
    generation: int


@dataclass(frozen=True, slots=True)
class FillState:
    """How a fill stands, for the operator; ``started_at`` in seconds since the epoch.

    ``fetches`` tells whether it is this process that asks upstream; ``answers`` how often upstream
    gave bytes, so all but the first continued a transfer. ``problem`` is set when it has failed.
    """

    digest: Digest
    origin: str
    size: int | None
    arrived: int
    readers: int
    started_at: float
    fetches: bool
    answers: int
    problem: str | None


class Fill:
    """The shared state of one fill in this process. All methods may be called by any thread."""

    def __init__(self, digest: Digest) -> None:
        self.digest = digest
        self.size: int | None = None
        self.origin: str | None = None
        self.started_at = time.time()
        self.fetches = False
        self.cancelled = False
        self._answers = 0
        self._changed = threading.Condition()
        self._orders: list[Order] = []
        self._fds: list[int] = []
        self._arrived = 0
        self._verified = False
        self._ended = False
        self._failure: SourceFailed | None = None
        self._woken_at = 0.0
        self._generation = 0
        self._comparison: Comparison | None = None
        self._users = 0

    # -- the filler's side ---------------------------------------------------------------------

    def switch(self, fd: int, arrived: int) -> None:
        """Show the bytes of the file ``fd`` (taken over), ``arrived`` of them, from now on.

        Readers who are in the middle of another file go on in this one as long as the two agree
        in all that they were given; otherwise they end short.
        """
        with self._changed:
            if self._fds and os.path.sameopenfile(fd, self._fds[-1]):
                os.close(fd)
            else:
                if self._fds:
                    self._comparison = Comparison(self._fds[-1], fd)
                    self._generation += 1
                    self._arrived = 0
                self._fds.append(fd)
        self.advance(arrived)

    def advance(self, arrived: int) -> None:
        """Bytes up to ``arrived`` stand in the file."""
        if self._comparison is not None:
            self._comparison.advance(arrived)
        now = time.monotonic()
        with self._changed:
            # What is shown first is waited for the most: no step of time delays it.
            is_first = self._arrived <= HOLDBACK < arrived
            self._arrived = arrived
            if is_first or now - self._woken_at >= WAKE_STEP:
                self._woken_at = now
                self._changed.notify_all()

    def answered(self, size: int | None, origin: str) -> None:
        """The source has the blob: its ``size`` in bytes if told, asked for by ``origin``."""
        with self._changed:
            self.size = size
            self.origin = origin
            self._answers += 1
            self._changed.notify_all()

    def succeed(self) -> None:
        """The digest is right: show the rest."""
        with self._changed:
            self.size = self._arrived
            self._verified = True
            self._changed.notify_all()

    def fail(self, failures: Mapping[str, SourceFailed]) -> Order | None:
        """End without the blob; or answer an order that may fare better.

        That is one that none of the ``failures`` meets, each of which an order by the name of its
        origin has met with; the last one ends the fill. A blob that was already verified stays
        readable.
        """
        failure = list(failures.values())[-1]
        with self._changed:
            for order in () if self._verified else self._orders:
                is_met = any(order.is_met_by(known) for known in failures.values())
                if not is_met and order.origin not in failures:
                    return order
            self._failure = failure
            self._changed.notify_all()
            return None

    def end(self) -> None:
        """The filler is done, with the blob in the store or without."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    @property
    def failed(self) -> bool:
        """Whether it has ended without the blob."""
        with self._changed:
            return self._failure is not None and not self._verified

    def state(self) -> FillState:
        """How it stands. Of its users, one is the fill itself."""
        with self._changed:
            failed = self._failure is not None and not self._verified
            return FillState(
                digest=self.digest,
                origin=self.origin or (self._orders[0].origin if self._orders else ""),
                size=self.size,
                arrived=self._arrived,
                readers=max(0, self._users - 1),
                started_at=self.started_at,
                fetches=self.fetches,
                answers=self._answers,
                problem=self._failure.message if failed and self._failure else None,
            )

    # -- the readers' side ---------------------------------------------------------------------

    def enter(self, order: Order | None = None) -> None:
        """One more user; the files stay open until each has left.

        ``order`` is its own way to the blob, in case that of the others turns out to be none.
        """
        with self._changed:
            self._users += 1
            if order is not None and order.origin not in (known.origin for known in self._orders):
                self._orders.append(order)

    def order_of(self, origin: str) -> Order | None:
        """The order of that origin, if a user of it has entered and the blob is still to come."""
        with self._changed:
            if self._verified or self._failure is not None:
                return None
            return next((order for order in self._orders if order.origin == origin), None)

    def leave(self) -> None:
        """One user less; the last one closes the files."""
        with self._changed:
            self._users -= 1
            if self._users:
                return
            for fd in self._fds:
                os.close(fd)
            self._fds = []

    def cursor(self, start: int, total: int | None) -> Cursor:
        """A new reader's place; its client was told that the blob has ``total`` bytes, if any."""
        with self._changed:
            return Cursor(start, start, total, self._generation)

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

    def watch(self) -> Iterator[int]:
        """How many bytes have arrived, again and again, until the blob is in the store.

        At least every :data:`LOOK_AGAIN` seconds. Raises :class:`SourceFailed` when it does not
        come, or does not stay.
        """
        is_over = False
        while not is_over:
            with self._changed:
                if self._failure is not None:
                    raise self._failure
                is_over, arrived = self._ended, self._arrived
            yield arrived
            with self._changed:
                if not is_over and self._arrived == arrived and not self._ended:
                    self._changed.wait(LOOK_AGAIN)

    def next_span(self, cursor: Cursor, length: int) -> Span:
        """Where the next bytes for a reader stand, at most ``length``; waits for them.

        Empty at the blob's end. Raises :class:`SourceFailed` when the fill failed, or when the
        blob turns out to be another one than this reader was told, or given, the beginning of.
        Who has given the bytes on moves the cursor.
        """
        with self._changed:
            while not (self._verified or self._visible(cursor.total) > cursor.position):
                if self._failure is not None:
                    raise self._failure
                self._check_promise(cursor)
                self._changed.wait(LOOK_AGAIN)
            self._check_promise(cursor)
            self._follow_generation(cursor)
            fd = self._fds[-1]
            length = min(length, self._visible(cursor.total) - cursor.position)
        span = Span(fd, cursor.position, max(0, length))
        if span and os.fstat(fd).st_size < span.offset + span.length:
            # What has arrived was taken from the file since: that is no end of the blob.
            raise SourceFailed(STORE_FAILED, "the file was cut while it was read")
        return span

    def file_of(self, cursor: Cursor) -> int | None:
        """The file that a reader was given bytes of; None if there is none yet.

        The descriptor stays open as long as the reader is a user of the fill.
        """
        with self._changed:
            return self._fds[cursor.generation] if cursor.generation < len(self._fds) else None

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

    def _visible(self, total: int | None = None) -> int:
        """How many bytes a reader may have had by now that was promised ``total`` of them."""
        if self._verified:
            return self._arrived
        return (self._arrived if total is None else min(self._arrived, total)) - HOLDBACK

    def _check_promise(self, cursor: Cursor) -> None:
        """End a reader whose client was told another size than upstream tells now.

        Its body would be complete to the client, and wrong.
        """
        told_another = None not in (self.size, cursor.total) and self.size != cursor.total
        beyond_the_end = self._verified and cursor.position > self._arrived
        if told_another or beyond_the_end:
            raise SourceFailed(CHANGED, "the blob has another size than upstream said at first")

    def _follow_generation(self, cursor: Cursor) -> None:
        """Let a reader go on in a newer file, if what it was given is the same there."""
        if cursor.generation == self._generation:
            return
        if cursor.position > cursor.start:
            skipped_one = cursor.generation < self._generation - 1
            diverged_at = self._comparison.diverged_at if self._comparison else None
            if skipped_one or (diverged_at is not None and diverged_at < cursor.position):
                raise SourceFailed(CHANGED, "the transfer began anew with other bytes")
        cursor.generation = self._generation
