"""One record, as a line of JSON, with everything secret taken out."""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from cache import request as asking

LONGEST_MESSAGE = 4000
LONGEST_FIELD = 1000
LONGEST_TRACE = 8000
MOST_FIELDS = 20

#: What Python's logging itself puts into a record: everything else is a field of the caller's.
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {
    *("message", "asctime", "taskName"),
    "request",  # Django's has its query in it; ours is the entry's
}

#: Secrets should never be logged. Should one be, it is not shown: credentials of a header, of an
#: address, and the signed queries of a CDN's addresses.
_SECRETS = (
    (re.compile(r"(?i)\b(bearer|basic|negotiate)\s+[\w.~+/=-]{6,}"), r"\1 ***"),
    (re.compile(r"(//)[^/\s:@]*:[^/\s@]+@"), r"\1***@"),  # a path may begin with the slashes
    (asking.ACCESS_TOKEN, "mirror_***"),
    (
        re.compile(
            r"(?i)\b((?:x-amz-)?(?:signature|credential|security-token)|sig|token|password|passwd|"
            r"secret|access_token|refresh_token|authorization|api[_-]?key|verify)"
            r"(\"?'?\s*[=:]\s*\"?'?)[^\s&\"',;}]+"
        ),
        r"\1\2***",
    ),
)


def redact(text: str) -> str:
    """The text without what looks like a credential."""
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


@dataclass(frozen=True, slots=True)
class Entry:
    """A record; ``at`` in seconds since the epoch, ``id`` unique among all processes."""

    at: float
    id: str
    level: str
    logger: str
    message: str
    process: int
    request: str = ""
    line: str = ""
    trace: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)


def entry_of(record: logging.LogRecord, number: int) -> Entry:
    """The record as an entry, the ``number``-th of this process."""
    asked = asking.current()
    return Entry(
        at=record.created,
        id=f"{os.getpid():x}.{number:x}",
        level=record.levelname.lower(),
        logger=record.name,
        message=redact(record.getMessage()[:LONGEST_MESSAGE]),
        process=record.process or 0,
        request=asked.id if asked else "",
        line=line_of(asked) if asked else "",
        trace=_trace(record),
        fields=_fields(record),
    )


#: The logger of the lines that each request leaves, and what they say.
REQUESTS_LOGGER = "mirrorsite.requests"
COMPLETED = "response completed"
BROKEN_OFF = "response broken off"


def fields_of_request(asked: asking.Request, word: Callable[[str], str]) -> list[tuple[str, str]]:
    """What there is to say of a request that has ended; ``word`` writes what is no number.

    The duration is in seconds.
    """
    said = [("method", word(asked.method)), ("path", word(asked.path))]
    if asked.repository is not None:
        said.append(("repository", word(f"{asked.repository.upstream}/{asked.repository.name}")))
    if asked.reference:
        said.append(("reference", word(asked.reference)))
    said += (
        ("status", str(asked.status)),
        ("bytes", str(asked.sent)),
        ("duration", f"{asked.seconds:.6f}"),
    )
    if asked.outcome:
        said.append(("cache", word(asked.outcome)))
    if asked.error:
        said.append(("error", word(asked.error)))
    if asked.cut:
        said.append(("cut", word(asked.cut)))
    said.append(("client", word(asked.client)))
    if asked.user:
        said.append(("user", word(asked.user)))
    if asked.agent:
        said.append(("agent", word(asked.agent)))
    return said


def shown(text: str) -> str:
    """A text of a client's, bounded and without what looks like a credential.

    Bytes beyond ASCII arrive as WSGI has them (PEP 3333), one character each.
    """
    text = text[:LONGEST_FIELD]
    if not text.isascii():
        with suppress(UnicodeEncodeError):
            text = text.encode("latin-1").decode(errors="backslashreplace")
    return redact(text)


def entry_of_request(at: float, asked: asking.Request, number: int) -> Entry:
    """A request that has ended as an entry, the ``number``-th of this process."""
    return Entry(
        at=at,
        id=f"{os.getpid():x}.{number:x}",
        level="info",
        logger=REQUESTS_LOGGER,
        message=f"{BROKEN_OFF if asked.cut else COMPLETED}: {asked.status}",
        process=os.getpid(),
        request=asked.id,
        line=line_of(asked),
        fields=dict(fields_of_request(asked, shown)),
    )


def line_of(asked: asking.Request) -> str:
    """The request's method and path."""
    return f"{shown(asked.method)} {shown(asked.path)}"


def to_line(entry: Entry) -> bytes:
    """The entry as a line, its time and level at the beginning."""
    held = {name: getattr(entry, name) for name in Entry.__slots__}
    text = json.dumps({name: value for name, value in held.items() if value not in ("", {})})
    return text.encode() + b"\n"


def from_line(line: bytes) -> Entry | None:
    """The entry of a line; None if it is not whole, as the last one of a killed process may be."""
    try:
        held = json.loads(line)
        return Entry(**held)
    except (ValueError, TypeError):
        return None


def _trace(record: logging.LogRecord) -> str:
    if not record.exc_info or record.exc_info[0] is None:
        return ""
    text = logging.Formatter().formatException(record.exc_info)
    return redact(text[-LONGEST_TRACE:])


def _fields(record: logging.LogRecord) -> dict[str, str]:
    extra = [(name, value) for name, value in vars(record).items() if name not in _STANDARD]
    # The name says what a value is: password=… is taken out together with it.
    return {
        name: redact(f"{name}={value}"[: LONGEST_FIELD + len(name)]).removeprefix(f"{name}=")
        for name, value in extra[:MOST_FIELDS]
        if not name.startswith("_")
    }
