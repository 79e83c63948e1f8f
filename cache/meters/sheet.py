"""A sheet of numbers in memory that processes share: each process writes to a region of its own.

The parent makes the sheet before it forks. What a worker has counted stays there when the worker
is killed, and the worker that follows it goes on counting there: nothing is lost, nothing counted
twice, and there is no file that could be full, slow, left over or read by others.

A region holds how many numbers it has, the numbers (doubles), and what each of them is (lines of
JSON, in the same order). A number becomes visible with the count, which is written last: a process
that dies in the middle leaves none that nobody can read.
"""

from __future__ import annotations

import json
import math
import mmap
import threading
from bisect import bisect_left
from collections.abc import Iterator, Sequence

#: What a number is: the name of its metric, then the values of its labels, in the metric's order.
Key = tuple[str, ...]

#: So many numbers fit into a region. A mirror with a dozen upstreams needs a thousand.
MOST_NUMBERS = 4096
_TEXT = 512 * 1024

_WORD = 8
REGION_SIZE = _WORD * (2 + MOST_NUMBERS) + _TEXT

#: The last part of the key of a histogram's sum; its buckets are numbered.
SUM = "sum"


class Region:
    """One process's part of the sheet. Thread-safe; the numbers survive it."""

    def __init__(self, memory: memoryview) -> None:
        head = _WORD * (2 + MOST_NUMBERS)
        self._heads = memory[: 2 * _WORD].cast("Q")
        self._numbers = memory[2 * _WORD : head].cast("d")
        self._text = memory[head:]
        self._lock = threading.Lock()
        self._full = False
        self._places = {key: place for place, (key, _) in enumerate(self.read())}

    def add(self, key: Key, amount: float = 1.0) -> None:
        """Count: the number grows by ``amount``."""
        place = self._places.get(key)
        with self._lock:
            if place is None:
                place = self._place((key,))
                if place is None:
                    return
            self._numbers[place] += amount

    def put(self, key: Key, value: float) -> None:
        """Say how much there is now."""
        with self._lock:
            place = self._place((key,))
            if place is not None:
                self._numbers[place] = value

    def observe(self, key: Key, value: float, bounds: Sequence[float]) -> None:
        """Count ``value`` in the bucket that it belongs to, the last one being without a bound."""
        first = (*key, "0")
        place = self._places.get(first)
        with self._lock:
            if place is None:
                ends = (*(str(number) for number in range(len(bounds) + 1)), SUM)
                place = self._place(tuple((*key, end) for end in ends))
                if place is None:
                    return
            self._numbers[place + bisect_left(bounds, value)] += 1.0
            self._numbers[place + len(bounds) + 1] += value

    def forget(self, names: frozenset[str]) -> None:
        """Have no number of these metrics: whoever they were true of has gone."""
        with self._lock:
            for key, place in self._places.items():
                if key[0] in names:
                    self._numbers[place] = math.nan

    def read(self) -> Iterator[tuple[Key, float]]:
        """All numbers there are, those that were put and forgotten too, as NaN."""
        count, length = self._heads[0], self._heads[1]
        lines = bytes(self._text[:length]).decode().split("\n")
        for place in range(count):
            yield tuple(json.loads(lines[place])), self._numbers[place]

    def _place(self, keys: tuple[Key, ...]) -> int | None:
        """Where the first of the keys is, the others behind it; None if there is no room."""
        known = self._places.get(keys[0])
        if known is not None:
            return known
        count, length = self._heads[0], self._heads[1]
        text = "".join(f"{json.dumps(key)}\n" for key in keys).encode()
        if count + len(keys) > MOST_NUMBERS or length + len(text) > len(self._text):
            self._full = True
            return None
        self._text[length : length + len(text)] = text
        self._heads[1] = length + len(text)
        self._heads[0] = count + len(keys)
        self._places |= {key: count + number for number, key in enumerate(keys)}
        return count

    @property
    def is_full(self) -> bool:
        """Whether something was not counted for want of room."""
        return self._full


class Sheet:
    """Memory for ``regions`` processes, shared with whoever is forked from now on."""

    def __init__(self, regions: int) -> None:
        self.regions = regions
        self._memory = memoryview(mmap.mmap(-1, regions * REGION_SIZE))

    def region(self, number: int) -> Region:
        """The numbers of one process; the numbers there so far go on."""
        start = number * REGION_SIZE
        return Region(self._memory[start : start + REGION_SIZE])
