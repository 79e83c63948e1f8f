"""How fast the scrub reads: evenly, so that pulls hardly notice it."""

from __future__ import annotations

import time
from collections.abc import Callable


class Pace:
    """At most ``rate`` bytes per second, on average over any time; for one thread.

    ``clock`` and ``sleep`` are in seconds, of a clock that nobody sets.
    """

    def __init__(
        self,
        rate: int,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.rate = rate
        self.clock = clock
        self.sleep = sleep
        self._free_at = clock()

    def spend(self, count: int) -> None:
        """Wait until ``count`` bytes may be read.

        Time in which nothing was read is not made up for: a burst is what the pace prevents.
        """
        now = self.clock()
        if self._free_at > now:
            self.sleep(self._free_at - now)
        self._free_at = max(self._free_at, now) + count / self.rate
