"""Reading: the newest records of all processes that fit a question."""

from __future__ import annotations

import heapq
import itertools
import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cache.logbook.entry import Entry, from_line
from cache.logbook.writer import REQUESTS_SUFFIX, SUFFIX

#: Bytes that one reading takes at most, of all files together.
MOST_READ = 8 * 1024 * 1024
LEAST_OF_EACH = 64 * 1024

#: What a question can be about, and where it stands.
KINDS = {"events": (SUFFIX,), "requests": (REQUESTS_SUFFIX,), "all": (SUFFIX, REQUESTS_SUFFIX)}

LEVELS = ("debug", "info", "warning", "error", "critical")


@dataclass(frozen=True, slots=True)
class Query:
    """What is looked for: at least this level, and all of the rest that is not empty.

    ``kind`` is a key of :data:`KINDS`: the line that each request leaves is no event.
    ``logger`` is a logger with all below it; ``text`` stands in the message, a field or the trace,
    in any case; ``after`` is in seconds since the epoch.
    """

    level: str = "debug"
    logger: str = ""
    text: str = ""
    request: str = ""
    after: float = 0.0
    kind: str = "events"


@dataclass(frozen=True, slots=True)
class Count:
    """How many records of each level there were from ``start`` (epoch seconds) on, for a step."""

    start: float
    by_level: dict[str, int]


#: How `to_line` begins a line: enough to pass over most without reading the whole of them.
_HEAD = re.compile(rb'\{"at": ([0-9.]+), "id": "[^"]*", "level": "([a-z]+)"')


def read(folder: Path, query: Query, limit: int) -> list[Entry]:
    """Up to ``limit`` entries, the newest first."""
    # Each file is in the order of time, so that the newest of all are found from their ends.
    files = [_fitting(lines, query) for lines in _files(folder, query.kind)]
    newest = heapq.merge(*files, key=lambda entry: -entry.at)
    return list(itertools.islice(newest, limit))


def count_levels(folder: Path, now: float, step: float, steps: int) -> list[Count]:
    """The records of the last ``steps`` steps of ``step`` seconds, the latest last."""
    first = (now // step - steps + 1) * step
    counted: Counter[tuple[int, str]] = Counter()
    for lines in _files(folder, "events"):
        for line in reversed(lines):
            head = _HEAD.match(line)
            if head is None:
                continue
            at = float(head[1])
            if at < first:
                break
            counted[int((at - first) // step), head[2].decode()] += 1
    return [
        Count(first + n * step, {level: counted[n, level] for level in LEVELS})
        for n in range(steps)
    ]


def _fitting(lines: list[bytes], query: Query) -> Iterator[Entry]:
    """The entries of a file that fit, the newest first."""
    levels = {level.encode() for level in LEVELS[LEVELS.index(query.level) :]}
    plain = query.text.lower().encode() if _is_written_as_it_is(query.text) else b""
    for line in reversed(lines):
        head = _HEAD.match(line)
        if head is None or head[2] not in levels:
            continue
        if float(head[1]) <= query.after:
            return
        if plain and plain not in line.lower():
            continue
        entry = from_line(line)
        if entry is not None and _fits(entry, query):
            yield entry


def _is_written_as_it_is(text: str) -> bool:
    """Whether JSON writes the text without escaping anything in it."""
    return text.isascii() and text.isprintable() and not {'"', "\\"} & set(text)


def _fits(entry: Entry, query: Query) -> bool:
    if query.logger and not f"{entry.logger}.".startswith(f"{query.logger}."):
        return False
    if query.request and query.request not in (entry.request, entry.line):
        return False
    if not query.text:
        return True
    texts = (entry.message, entry.trace, entry.line, *entry.fields.values(), *entry.fields)
    return any(query.text.lower() in text.lower() for text in texts)


def _files(folder: Path, kind: str) -> Iterator[list[bytes]]:
    """The last lines of each file."""
    try:
        files = [path for suffix in KINDS[kind] for path in folder.glob(f"*{suffix}")]
    except OSError:
        return
    of_each = max(LEAST_OF_EACH, MOST_READ // max(1, len(files)))
    for path in files:
        yield _tail(path, of_each)


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
