"""What a check found: one line, with what to do about it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Level(StrEnum):
    """How bad it is: an error keeps clients from being served as they should be."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Line:
    """``found`` is what was seen of ``topic``, ``advice`` what to do, empty if there is nothing."""

    level: Level
    topic: str
    found: str
    advice: str = ""

    def facts(self) -> dict[str, Any]:
        """The line as JSON has it."""
        return asdict(self)

    def __str__(self) -> str:
        advice = f"; to do: {self.advice}" if self.advice else ""
        return f"{self.level:<8} {self.topic:<20} {self.found}{advice}"


def ok(topic: str, found: str) -> Line:
    """All is well."""
    return Line(Level.OK, topic, found)


def warning(topic: str, found: str, advice: str) -> Line:
    """It works, and might not for long or not well."""
    return Line(Level.WARNING, topic, found, advice)


def error(topic: str, found: str, advice: str) -> Line:
    """It does not work."""
    return Line(Level.ERROR, topic, found, advice)
