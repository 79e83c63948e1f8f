"""Whether this process can serve, as a load balancer or an orchestrator asks again and again.

Looking costs one query and a few bytes written, and is done once a second at most however many ask.
No upstream is asked: what pulls have found out lately is known.
"""

from __future__ import annotations

import errno
import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from django.db import Error as DatabaseError

from cache import database, runtime

log = logging.getLogger(__name__)

#: What was found counts for so long (seconds).
_LASTS = 1.0


class Condition(StrEnum):
    """How a part, or the whole, is: the worst part is the whole's."""

    OK = "ok"
    DEGRADED = "degraded"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class Part:
    """What was found of one part; ``detail`` says what is wrong, and may be shown to anyone."""

    condition: Condition
    detail: str = ""

    def facts(self) -> dict[str, str]:
        """The part as JSON has it."""
        told = {"detail": self.detail} if self.detail else {}
        return {"status": str(self.condition)} | told


@dataclass(frozen=True, slots=True)
class Readiness:
    """What was found of all parts: `database`, `store`, and `upstream <name>` for each."""

    parts: Mapping[str, Part]

    @property
    def condition(self) -> Condition:
        """The whole's."""
        found = {part.condition for part in self.parts.values()}
        order = (Condition.DOWN, Condition.DEGRADED)
        return next((condition for condition in order if condition in found), Condition.OK)

    def facts(self) -> dict[str, object]:
        """The whole as JSON has it."""
        parts = {name: part.facts() for name, part in self.parts.items()}
        return {"status": str(self.condition), "checks": parts}


_OK = Part(Condition.OK)
_SHORT = "the disk has less free than retention.min_free: nothing new is kept"


class _Lately:
    """The last look, and the lock under which a new one is taken: one at a time."""

    def __init__(self, look: Callable[[], Readiness]) -> None:
        self._look = look
        self._lock = threading.Lock()
        self._found: tuple[float, Readiness] | None = None

    def get(self) -> Readiness:
        with self._lock:
            if self._found is None or time.monotonic() - self._found[0] >= _LASTS:
                found = self._look()
                self._tell(found)
                self._found = (time.monotonic(), found)
            return self._found[1]

    def _tell(self, found: Readiness) -> None:
        """Tell the operator's log of each change, and not of each probe."""
        before = self._found[1].parts if self._found is not None else {}
        for name, part in found.parts.items():
            if part == before.get(name, _OK):
                continue
            if part.condition is Condition.DOWN:
                log.error("Not ready to serve, %s: %s", name, part.detail)
            elif part.condition is Condition.DEGRADED:
                log.warning("%s is %s: %s", name, part.condition, part.detail)
            else:
                log.info("%s is ok: as it should be", name)


def look() -> Readiness:
    """Look at each part now."""
    mirror = runtime.current()
    parts = {"database": _database(), "store": _store()}
    for name, upstream in mirror.upstreams.items():
        away = Part(Condition.DEGRADED, "it does not answer; what is held is served")
        parts[f"upstream {name}"] = away if upstream.is_away else _OK
    return Readiness(parts)


_lately = _Lately(look)


def readiness() -> Readiness:
    """What was found within the last second."""
    return _lately.get()


def _database() -> Part:
    try:
        database.check_answers()
    except DatabaseError as error:
        # The driver's message names addresses and users, which are not for anyone who asks.
        log.debug("The database does not answer: %s", error)
        return Part(Condition.DOWN, "it does not answer")
    if not database.takes_notes():
        return Part(Condition.DEGRADED, "it takes no records: what is held is served all the same")
    return _OK


def _store() -> Part:
    """A full disk keeps nobody from being served: pulls stream past the store."""
    mirror = runtime.current()
    try:
        mirror.store.check_writable()
        is_full = mirror.room.is_full()
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return Part(Condition.DEGRADED, "the disk is full: nothing new is kept")
        return Part(Condition.DOWN, f"it cannot be written to: {error.strerror or 'it failed'}")
    if is_full:
        return Part(Condition.DEGRADED, _SHORT)
    return _OK
