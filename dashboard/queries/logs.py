"""The log: records of all processes, what they mean, and the levels in force."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cache import logbook, runtime
from cache.logbook import CHANGEABLE, Count, Entry, Levels, Override, Query

LIMIT = 200

#: What a level means, for whoever has to decide whether to get up at night.
LEVELS = (
    ("critical", "The mirror, or a part of it, cannot go on."),
    ("error", "Something failed that should not have: look into it. Pulls may have been refused."),
    ("warning", "Something is not as it should be, and the mirror found a way around it."),
    ("info", "Something happened that may be of use later. Nothing is wrong."),
    ("debug", "Every step, for finding a fault; off unless somebody turns it on."),
)

#: Records that look like errors and are none, or look worse than they are: a pattern of the
#: message, and what to make of it.
_KNOWN = tuple(
    (re.compile(pattern), note)
    for pattern, note in (
        (r"is not held: it is fetched", "Normal: a blob is pulled for the first time."),
        (r"asking again", "Normal: upstream cut a transfer, which is continued where it stopped."),
        (r"is served stale", "Clients got the last known answer, because upstream gave none."),
        (r"dropped the client", "A client stopped reading or sent nothing; others are not hurt."),
        (r"^response broken off", "A client went in the middle, or upstream broke off; see `cut`."),
        (r"is still away", "Expected while upstream is away: it is asked again by itself."),
        (r"answers again", "Good news: the trouble is over."),
        (r"Removed what \d+ fills had left", "Normal after a crash or a kill: tidied up."),
        (r"Booting worker|Listening at|Starting gunicorn|Using worker", "Normal at a start."),
        (r"Handling signal|Shutting down|Worker exiting", "Normal at a stop."),
        (r"did not take a note", "The pull went on; what it learned is learned again later."),
    )
)

#: Libraries that are kept quiet whatever the configuration says.
_BUILT_IN = ("httpx", "httpcore", "asyncio", "axes", "django.request", "django.security")


#: Whose loggers are listed one by one; of libraries, those with a level of their own.
_OUR_OWN = ("cache", "dashboard", "mirrorsite")


@dataclass(frozen=True, slots=True)
class Record:
    """An entry, with what is known of such ones: an empty note for most."""

    entry: Entry
    note: str


@dataclass(frozen=True, slots=True)
class Logger:
    """A logger: the level in force, where it comes from, and the change if there is one."""

    name: str
    level: str
    origin: str
    override: Override | None
    changeable: bool


def records(query: Query, limit: int = LIMIT) -> list[Record]:
    """The newest that fit, the latest first."""
    return [Record(entry, note_on(entry)) for entry in logbook.read(_folder(), query, limit)]


def counts(now: datetime, minutes: int = 60) -> list[Count]:
    """How many records of each level came in each of the last minutes."""
    return logbook.count_levels(_folder(), now.timestamp(), 60.0, minutes)


def note_on(entry: Entry) -> str:
    """What to make of a record that is known to mislead."""
    return next((note for pattern, note in _KNOWN if pattern.search(entry.message)), "")


def loggers(now: datetime) -> list[Logger]:
    """Those whose level may be changed, and those that exist besides and are kept quiet."""
    overrides = levels().overrides(now.timestamp())
    existing = {
        name
        for name, logger in logging.root.manager.loggerDict.items()
        if isinstance(logger, logging.Logger)
        and (name.split(".")[0] in _OUR_OWN or (logger.level and name.split(".")[0] in CHANGEABLE))
    }
    names = existing | set(CHANGEABLE) | set(overrides) | set(_BUILT_IN)
    return [_logger(name, overrides) for name in sorted(names)]


def _logger(name: str, overrides: dict[str, Override]) -> Logger:
    level, origin = logging.getLogger(name).getEffectiveLevel(), "the configuration (log.level)"
    ancestor = name
    while ancestor:
        if ancestor in overrides:
            level = getattr(logging, overrides[ancestor].level.upper())
            origin = "changed here" if ancestor == name else f"changed here, for {ancestor}"
            break
        if ancestor in _BUILT_IN:
            origin = "built in" if ancestor == name else f"built in, for {ancestor}"
            break
        ancestor = ancestor.rpartition(".")[0]
    return Logger(
        name=name,
        level=logging.getLevelName(level).lower(),
        origin=origin,
        override=overrides.get(name),
        changeable=name.split(".", maxsplit=1)[0] in CHANGEABLE,
    )


def levels() -> Levels:
    """The changed levels."""
    return logbook.levels_of(runtime.current().config.storage.root)


def _folder() -> Path:
    return logbook.folder_of(runtime.current().config.storage.root)
