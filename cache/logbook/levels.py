"""Log levels that an operator changed while the mirror runs.

They stand in one file that every process looks at, so a change reaches all of them and outlasts a
restart. What a logger had before comes back when a change ends.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from cache.logbook.reader import LEVELS

#: Whose levels may be changed: the mirror's own loggers and its server's, each with all below.
#: Others, such as an HTTP client's, would log addresses and headers that hold secrets.
CHANGEABLE = ("cache", "dashboard", "mirrorsite", "gunicorn", "django", "axes")

LARGEST_FILE = 64 * 1024
MOST_OVERRIDES = 100


class CannotChange(Exception):
    """The level cannot be changed; the message is a sentence for the operator."""


@dataclass(frozen=True, slots=True)
class Override:
    """A changed level, until a moment (epoch seconds) or until it is changed back (None)."""

    level: str
    until: float | None
    by: str
    since: float

    def is_over(self, now: float) -> bool:
        """Whether it has ended by itself."""
        return self.until is not None and self.until <= now


class Levels:
    """The changes in ``path``, and their effect in this process. For one thread at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._before: dict[str, int] = {}

    def overrides(self, now: float) -> dict[str, Override]:
        """The changes in force, by logger."""
        return {
            logger: override
            for logger, override in _load(self._path).items()
            if not override.is_over(now)
        }

    def change(self, logger: str, override: Override) -> None:
        """Change a logger's level; raises :class:`CannotChange`, or ``OSError``."""
        check_changeable(logger)
        if override.level not in LEVELS:
            raise CannotChange(
                f"there is no level {override.level}: allowed are {', '.join(LEVELS)}"
            )
        self._edit(override.since, logger, override)

    def change_back(self, logger: str, now: float) -> bool:
        """End a change; whether there was one. Raises ``OSError``."""
        return self._edit(now, logger, None)

    def apply(self, now: float) -> None:
        """Have this process's loggers follow."""
        wanted = self.overrides(now)
        for name in [name for name in self._before if name not in wanted]:
            logging.getLogger(name).setLevel(self._before.pop(name))
        for name, override in wanted.items():
            logger = logging.getLogger(name)
            self._before.setdefault(name, logger.level)
            level = getattr(logging, override.level.upper())
            if logger.level != level:
                logger.setLevel(level)

    def _edit(self, now: float, logger: str, override: Override | None) -> bool:
        """Put a change, or none, in the place of the one there is; whether there was one."""
        self._path.parent.mkdir(mode=0o700, exist_ok=True)
        lock = os.open(
            self._path.with_suffix(".lock"), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600
        )
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            held = self.overrides(now)
            before = held.pop(logger, None)
            if override is not None:
                held[logger] = override
            if len(held) > MOST_OVERRIDES:
                raise CannotChange(f"more than {MOST_OVERRIDES} levels are changed: end some first")
            draft = self._path.with_suffix(".new")
            kept = {name: asdict(one) for name, one in held.items()}
            draft.write_text(json.dumps(kept), encoding="utf-8")
            draft.replace(self._path)
            return before is not None
        finally:
            os.close(lock)


def check_changeable(logger: str) -> None:
    """Raise :class:`CannotChange` unless the logger's level may be changed."""
    if not any(logger == one or logger.startswith(f"{one}.") for one in CHANGEABLE):
        allowed = ", ".join(CHANGEABLE)
        raise CannotChange(
            f"the level of {logger[:100]!r} cannot be changed, only those of {allowed} and below: "
            "others may log addresses and headers that hold secrets"
        )


def _load(path: Path) -> dict[str, Override]:
    with suppress(OSError, ValueError, TypeError):
        with path.open("rb") as file:
            held = json.loads(file.read(LARGEST_FILE))
        if isinstance(held, dict):
            return {name: Override(**one) for name, one in held.items()}
    return {}
