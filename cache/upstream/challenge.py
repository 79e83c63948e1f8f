"""Reading `WWW-Authenticate` (RFC 9110 section 11.6.1; RFC 6750 section 3 for Bearer)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

LONGEST_HEADER = 16 * 1024

# RFC 9110 sections 5.6.2, 5.6.4 and 11.2. Unquoted values may hold more than the grammar's token:
# some servers do not quote the address of their realm.
_TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"  # noqa: S105 - a grammar, no secret
_TOKEN68 = r"[A-Za-z0-9\-._~+/]+=*"
_PARAMETER = re.compile(rf'({_TOKEN})[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')
_SCHEME = re.compile(rf"({_TOKEN})(?:[ \t]+{_TOKEN68}(?=[ \t]*(?:,|$))|(?=[ \t,]|$))")
_SEPARATOR = re.compile(r"[ \t,]*")
_ESCAPE = re.compile(r"\\(.)")


@dataclass(frozen=True, slots=True)
class Challenge:
    """How a server asks to authenticate. Scheme and parameter names are lower case."""

    scheme: str
    parameters: Mapping[str, str] = field(default_factory=dict)


def parse_challenges(lines: Iterable[str]) -> list[Challenge]:
    """All challenges of these header lines, in their order. Never raises.

    A line is read as far as it follows the grammar; one too long to be honest is left out.
    """
    found: list[Challenge] = []
    for line in lines:
        if len(line) <= LONGEST_HEADER:
            found.extend(_parse_line(line.strip(" \t,")))
    return found


def choose(challenges: Iterable[Challenge]) -> Challenge | None:
    """The challenge to answer: Bearer with a realm, else Basic, else None."""
    known = list(challenges)
    for challenge in known:
        if challenge.scheme == "bearer" and challenge.parameters.get("realm"):
            return challenge
    return next((challenge for challenge in known if challenge.scheme == "basic"), None)


def _parse_line(line: str) -> list[Challenge]:
    found: list[tuple[str, dict[str, str]]] = []
    position = 0
    while position < len(line):
        parameter = _PARAMETER.match(line, position)
        if parameter is not None and found:
            value = parameter[3] or _ESCAPE.sub(r"\1", parameter[2] or "")
            found[-1][1].setdefault(parameter[1].lower(), value)
            position = parameter.end()
        elif (scheme := _SCHEME.match(line, position)) is not None:
            found.append((scheme[1].lower(), {}))
            position = scheme.end()
        else:
            break
        position = _skip_separator(line, position)
    return [Challenge(scheme, parameters) for scheme, parameters in found]


def _skip_separator(line: str, position: int) -> int:
    separator = _SEPARATOR.match(line, position)
    return position if separator is None else separator.end()
