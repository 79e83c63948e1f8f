"""Negative entries: what upstream does not have is believed for a short while."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable

#: The most entries; beyond them the oldest is forgotten. Clients can ask for anything.
MOST_ENTRIES = 10_000


class Negatives:
    """In one process, the keys that an upstream answered with 404 a moment ago.

    ``now`` is a monotonic clock in seconds. Thread-safe.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._noted: OrderedDict[Hashable, float] = OrderedDict()

    def note(self, key: Hashable) -> None:
        """Upstream has just said that there is no such thing."""
        with self._lock:
            self._noted[key] = self._now()
            self._noted.move_to_end(key)
            if len(self._noted) > MOST_ENTRIES:
                self._noted.popitem(last=False)

    def has(self, key: Hashable, ttl: float) -> bool:
        """Whether upstream said so less than ``ttl`` seconds ago, and need not be asked now."""
        with self._lock:
            noted_at = self._noted.get(key)
            if noted_at is None:
                return False
            if self._now() - noted_at < ttl:
                return True
            del self._noted[key]
            return False
