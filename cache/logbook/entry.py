"""One record, as a line of JSON, with everything secret taken out."""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from cache.logbook.request import current_request

LONGEST_MESSAGE = 4000
LONGEST_FIELD = 1000
LONGEST_TRACE = 8000
MOST_FIELDS = 20

#: What Python's logging itself puts into a record: everything else is a field of the caller's.
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}

#: Secrets should never be logged. Should one be, it is not shown: credentials of a header, of an
#: address, and the signed queries of a CDN's addresses.
_SECRETS = (
    (re.compile(r"(?i)\b(bearer|basic|negotiate)\s+[\w.~+/=-]{6,}"), r"\1 ***"),
    (re.compile(r"(?i)(://)[^/\s:@]*:[^/\s@]+@"), r"\1***@"),
    # This mirror's own access tokens, in whatever they stand: a path, a `Referer`.
    (re.compile(r"mirror_[A-Za-z0-9_%-]{20,}"), "mirror_***"),
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
    request = current_request()
    return Entry(
        at=record.created,
        id=f"{os.getpid():x}.{number:x}",
        level=record.levelname.lower(),
        logger=record.name,
        message=redact(record.getMessage()[:LONGEST_MESSAGE]),
        process=record.process or 0,
        request=request[0] if request else "",
        line=redact(request[1][:LONGEST_FIELD]) if request else "",
        trace=_trace(record),
        fields=_fields(record),
    )


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
