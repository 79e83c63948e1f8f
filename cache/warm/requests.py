"""What somebody wants to have here, as it is written somewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Request:
    """An image as written. ``where`` it stands (`compose.yml:12`) is empty for an argument.

    ``platform`` is the one that is asked for there, empty if none is.
    """

    text: str
    where: str = ""
    platform: str = ""


@dataclass(frozen=True, slots=True)
class Skipped:
    """What stands where an image could stand, and why it is none that can be fetched."""

    text: str
    where: str
    reason: str


Found: TypeAlias = "Request | Skipped"


class Unreadable(Exception):
    """A file in which no images can be looked for; the text is a sentence without the name."""


def judged(text: str, where: str, platform: str = "", *, hint: str = "") -> Found:
    """A request, unless a variable stands in it, whose value is not known here."""
    if "$" in text or "{{" in text:
        return Skipped(
            text, where, "its name holds a variable, whose value is not known here" + hint
        )
    # A platform that a variable names is the one that the build is for: the operator's.
    return Request(text, where, "" if "$" in platform else platform)
