"""What this process counts, for `/metrics`: in memory that all of the mirror's processes share.

Counting is a dictionary's look-up and an addition, and never fails. The metrics stand in
:mod:`cache.meters.families`; who shows them is :mod:`cache.metrics`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from cache.meters.families import FAMILIES, GAUGES
from cache.meters.sheet import Key, Sheet

__all__ = [
    "FAMILIES",
    "GAUGES",
    "add",
    "belong_to",
    "belongs_since",
    "end",
    "free_region",
    "is_full",
    "observe",
    "put",
    "read",
    "share",
    "started_at",
]

#: Whoever is not forked by a parent that shares counts for itself.
_sheet = Sheet(1)
_mine = _sheet.region(0)
_is_shared = False
_started_at = _belongs_since = time.time()


def share(processes: int) -> None:
    """Make the memory for so many processes at once; for the parent, before it forks.

    What is there already stays: a parent that reads its configuration anew goes on.
    """
    global _sheet, _is_shared, _started_at
    if not _is_shared:
        _sheet, _is_shared, _started_at = Sheet(processes), True, time.time()


def free_region(taken: set[int | None]) -> int | None:
    """The number of a region that is none of the taken ones; None if there is none."""
    return next((each for each in range(_sheet.regions) if each not in taken), None)


def belong_to(number: int | None) -> None:
    """Count in this region from now on, which goes on from what is there; for a forked process.

    A process without one counts for itself, and nobody sees it.
    """
    global _mine, _belongs_since  # noqa: PLW0603
    _belongs_since = time.time()
    _mine = Sheet(1).region(0) if number is None else _sheet.region(number)


def end(number: int) -> None:
    """The process that had the region has ended: what it had now and then is no more."""
    _sheet.region(number).forget(GAUGES)


def add(name: str, *labels: str, amount: float = 1.0) -> None:
    """Count."""
    _mine.add((name, *labels), amount)


def put(name: str, *labels: str, value: float) -> None:
    """Say how much there is now."""
    _mine.put((name, *labels), value)


def observe(name: str, *labels: str, value: float) -> None:
    """Count a value in its bucket."""
    _mine.observe((name, *labels), value, FAMILIES[name].bounds)


def read() -> Iterator[tuple[int, Key, float]]:
    """All numbers of all processes, with the region of each; those of ended ones are counters."""
    for number in range(_sheet.regions):
        for key, value in _sheet.region(number).read():
            yield number, key, value


def belongs_since() -> float:
    """When this process began to count, in seconds since the epoch."""
    return _belongs_since


def is_full() -> bool:
    """Whether this process could not count something, for want of room."""
    return _mine.is_full


def started_at() -> float:
    """When counting began, in seconds since the epoch."""
    return _started_at
