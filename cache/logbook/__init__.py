"""The last log records of all processes, for the operator to read, and the levels they have.

Each process writes its own files in one folder, a bounded number of lines; whoever shows them reads
all files. Nothing here needs the database: when that fails, the records tell why.
"""

from pathlib import Path

from cache.logbook.entry import (
    BROKEN_OFF,
    COMPLETED,
    REQUESTS_LOGGER,
    Entry,
    fields_of_request,
    redact,
    shown,
)
from cache.logbook.levels import CHANGEABLE, CannotChange, Levels, Override
from cache.logbook.reader import KINDS, LEVELS, Count, Query, count_levels, read
from cache.logbook.writer import Writer, attach, flush

__all__ = [
    "BROKEN_OFF",
    "CHANGEABLE",
    "COMPLETED",
    "KINDS",
    "LEVELS",
    "REQUESTS_LOGGER",
    "CannotChange",
    "Count",
    "Entry",
    "Levels",
    "Override",
    "Query",
    "Writer",
    "attach",
    "count_levels",
    "fields_of_request",
    "flush",
    "folder_of",
    "levels_of",
    "read",
    "redact",
    "shown",
]


def folder_of(root: Path) -> Path:
    """Where the processes of the mirror with that root folder keep their records."""
    return root / "logs"


def levels_of(root: Path) -> Levels:
    """The log levels that the operator of that mirror changed."""
    return Levels(folder_of(root) / "levels.json")
