"""What a process remembers for moments of who may pull what, so that a pull need not ask again.

A change that the mirror itself makes (of a user, a grant, a rule) counts in all of its processes at
the next request; one made behind its back, or on another machine, once the moment has passed.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

from cache.memory import Memory

#: The most things that are remembered; beyond them the least recently used goes.
MOST_THINGS = 10_000

_STAMP = "access"


@dataclass(frozen=True, slots=True)
class _Thing:
    value: Any
    at: float


class Remembered:
    """Values by key, for as long as nothing has changed. Thread-safe.

    ``memory`` carries the word of a change to the other processes. ``now`` is a monotonic clock in
    seconds. What two rooms remember is kept apart by keys that are tuples with a first word.
    """

    def __init__(self, memory: Memory, now: Callable[[], float] = time.monotonic) -> None:
        self._memory = memory
        self._now = now
        self._lock = threading.Lock()
        self._stamp = 0
        self._things: OrderedDict[Hashable, _Thing] = OrderedDict()

    def get(self, key: Hashable, longest: float) -> Any:
        """What was kept under ``key`` less than ``longest`` seconds ago, else None."""
        stamp = self._memory.version(_STAMP)
        with self._lock:
            # Who is late has an older one: what is kept by now is from after that.
            if stamp > self._stamp:
                self._things.clear()
                self._stamp = stamp
                return None
            thing = self._things.get(key)
            if thing is None:
                return None
            if self._now() - thing.at >= longest:
                del self._things[key]
                return None
            self._things.move_to_end(key)
            return thing.value

    def keep(self, key: Hashable, value: object, stamp: object) -> None:
        """Keep a value that was found out after ``stamp`` was taken with :meth:`stamp`."""
        with self._lock:
            if stamp != self._stamp:
                return
            self._things[key] = _Thing(value, self._now())
            self._things.move_to_end(key)
            while len(self._things) > MOST_THINGS:
                self._things.popitem(last=False)

    def stamp(self) -> object:
        """Take this before finding something out: a change meanwhile makes it worthless."""
        with self._lock:
            return self._stamp

    def renewed(self) -> object:
        """The stamp after a change of one's own, for what was found out just before it."""
        self.get(None, 0)
        return self.stamp()

    def changed(self) -> None:
        """Have every process find everything out anew."""
        self._memory.write(_STAMP, {"stamp": secrets.token_hex(8)})
