"""Reading: the newest records of all processes that fit a question."""

from __future__ import annotations

import heapq
import logging
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cache.logbook.entry import Entry, from_line
from cache.logbook.writer import SUFFIX

#: Bytes that one reading takes at most, of all files together.
MOST_READ = 8 * 1024 * 1024
LEAST_OF_EACH = 64 * 1024

LEVELS = ("debug", "info", "warning", "error", "critical")


@dataclass(frozen=True, slots=True)
class Query:
    """What is looked for: at least this level, and all of the rest that is not empty.

    ``logger`` is a logger with all below it; ``text`` stands in the message, a field or the trace,
    in any case; ``after`` is in seconds since the epoch.
    """

    level: str = "debug"
    logger: str = ""
    text: str = ""
    request: str = ""
    after: float = 0.0


@dataclass(frozen=True, slots=True)
class Count:
    """How many records of each level there were from ``start`` (epoch seconds) on, for a step."""

    start: float
    by_level: dict[str, int]


def read(folder: Path, query: Query, limit: int) -> list[Entry]:
    """Up to ``limit`` entries, the newest first."""
    found = (entry for entry in _all(folder, query.text) if _fits(entry, query))
    return heapq.nlargest(limit, found, key=lambda entry: (entry.at, entry.id))


def count_levels(folder: Path, now: float, step: float, steps: int) -> list[Count]:
    """The records of the last ``steps`` steps of ``step`` seconds, the latest last."""
    first = (now // step - steps + 1) * step
    counted: Counter[tuple[int, str]] = Counter()
    for entry in _all(folder, ""):
        if entry.at >= first:
            counted[int((entry.at - first) // step), entry.level] += 1
    return [
        Count(first + n * step, {level: counted[n, level] for level in LEVELS})
        for n in range(steps)
    ]


def _fits(entry: Entry, query: Query) -> bool:
    if entry.at <= query.after:
        return False
    if getattr(logging, entry.level.upper(), 0) < getattr(logging, query.level.upper(), 0):
        return False
    if query.logger and not f"{entry.logger}.".startswith(f"{query.logger}."):
        return False
    if query.request and query.request not in (entry.request, entry.line):
        return False
    if not query.text:
        return True
    texts = (entry.message, entry.trace, entry.line, *entry.fields.values(), *entry.fields)
    return any(query.text.lower() in text.lower() for text in texts)


def _all(folder: Path, text: str) -> Iterator[Entry]:
    # The text as JSON has it, if that is how it is written: most lines need not be parsed.
    plain = text.lower().encode() if text.isascii() and text.isalnum() else b""
    try:
        files = list(folder.glob(f"*{SUFFIX}"))
    except OSError:
        return
    of_each = max(LEAST_OF_EACH, MOST_READ // max(1, len(files)))
    for path in files:
        for line in _tail(path, of_each):
            if plain and plain not in line.lower():
                continue
            entry = from_line(line)
            if entry is not None:
                yield entry


def _tail(path: Path, length: int) -> list[bytes]:
    """The whole lines among the file's last ``length`` bytes."""
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            start = max(0, size - length)
            file.seek(start)
            lines = file.read(length).splitlines()
    except OSError:
        return []
    return lines[1:] if start else lines
