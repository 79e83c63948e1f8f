"""A bound on what all transfers of this process take together from an upstream."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

#: Seconds of the rate that may be taken at once after a pause.
BURST = 0.25


class Bandwidth:
    """`rate` bytes per second, shared by whoever calls `take`. Thread-safe.

    `now` is a monotonic clock in seconds, `sleep` waits for so many of them.
    """

    def __init__(
        self,
        rate: float,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._rate = rate
        self._now = now
        self._sleep = sleep
        self._lock = threading.Lock()
        self._paid_until = 0.0

    def take(self, count: int) -> None:
        """Return when so many bytes, which have arrived, are within the rate."""
        with self._lock:
            now = self._now()
            self._paid_until = max(self._paid_until, now - BURST) + count / self._rate
            wait = self._paid_until - now
        if wait > 0:
            self._sleep(wait)
