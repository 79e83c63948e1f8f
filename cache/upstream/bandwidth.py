"""How fast an upstream's blobs may arrive, over all processes of the mirror together.

The bound is a timetable: each lease of bytes has its time, one after the other, whichever process
takes it. The timetable is in the mirror's memory. A process takes leases of a fraction of a second,
so that the record is read and written a few times a second, not for each piece of a blob.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from cache.memory import Memory

LEASE = 0.25
"""Seconds' worth of bytes that a process takes at once."""

FURTHEST = 120.0
"""Seconds. No timetable is so long: one that is comes from before a restart of the machine."""

_LOCK = 1.0
"""Seconds to wait for the other processes; going on without costs a little precision."""


class Bandwidth:
    """Lets through `rate` bytes per second, on average. Thread-safe.

    `clock` is in seconds, one that nobody sets and that all processes of a machine share; `pause`
    waits for so many seconds.
    """

    def __init__(
        self,
        rate: int,
        key: str,
        memory: Memory | None = None,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], object] | None = None,
    ) -> None:
        self.rate = rate
        self._key = f"bandwidth {key}"
        self._memory = memory
        self._clock = clock
        self._closing = threading.Event()
        self._pause = pause or self._closing.wait
        self._lock = threading.Lock()
        self._left = 0.0
        self._free_at = 0.0

    def spend(self, count: int) -> None:
        """Return when the next `count` bytes may be read."""
        # Those who come meanwhile wait at the lock: their turn is after this one.
        with self._lock:
            if self._left < count:
                wanted = max(count - self._left, self.rate * LEASE)
                wait = self._take(wanted) - self._clock()
                self._left += wanted
                if wait > 0 and not self._closing.is_set():
                    self._pause(wait)
            self._left -= count

    def close(self) -> None:
        """Hold nobody back any more."""
        self._closing.set()

    def _take(self, count: float) -> float:
        """When the lease of the next `count` bytes begins."""
        if self._memory is None:
            return self._book(count)
        with self._memory.exclusive(self._key, _LOCK):
            record = self._memory.read(self._key)
            match record:
                case {"free_at": float(free_at)}:
                    self._free_at = free_at
            begins = self._book(count)
            self._memory.write(self._key, {"free_at": self._free_at})
        return begins

    def _book(self, count: float) -> float:
        now = self._clock()
        # Time in which nothing was read is not made up for.
        free = self._free_at if now < self._free_at < now + FURTHEST else now
        self._free_at = free + count / self.rate
        return free
