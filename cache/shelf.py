"""What was pulled lately, in this process's memory: bounded, and worth nothing after a change."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

#: Bytes of manifests that a process keeps: those of some ten thousand images.
MOST_BYTES = 32 * 1024 * 1024

#: Bytes that an entry costs besides its content, more or less.
_OVERHEAD = 1024


@dataclass(frozen=True, slots=True)
class _Kept:
    value: Any
    size: int
    stamp: object


class Shelf:
    """Values by key; of more than ``most`` bytes the least recently used go. Thread-safe.

    A ``stamp`` says when a value was found out: it counts as long as the stamp of those who ask is
    the same.
    """

    def __init__(self, most: int = MOST_BYTES) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, _Kept] = OrderedDict()
        self._size = 0

    def get(self, key: Hashable, stamp: object) -> Any:
        """What was put there under the same stamp, else None."""
        with self._lock:
            kept = self._kept.get(key)
            if kept is None:
                return None
            if kept.stamp != stamp:
                self._drop(key)
                return None
            self._kept.move_to_end(key)
            return kept.value

    def put(self, key: Hashable, value: object, size: int, stamp: object) -> None:
        """Keep a value of ``size`` bytes that was found out after ``stamp`` was taken."""
        with self._lock:
            self._drop(key)
            self._kept[key] = _Kept(value, size + _OVERHEAD, stamp)
            self._size += size + _OVERHEAD
            while self._size > self._most:
                self._drop(next(iter(self._kept)))

    def drop(self, key: Hashable) -> None:
        """Forget what is there."""
        with self._lock:
            self._drop(key)

    def _drop(self, key: Hashable) -> None:
        kept = self._kept.pop(key, None)
        if kept is not None:
            self._size -= kept.size
