"""Which error a status is: the one table."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from cache.oci.errors import ERRORS
from cache.upstream.errors import (
    BadAnswer,
    Denied,
    NotFound,
    RateLimited,
    ServerFailed,
    TimedOut,
    UpstreamError,
)

if TYPE_CHECKING:
    from cache.upstream.reply import Reply

LONGEST_RETRY_AFTER = 24 * 60 * 60
_LONGEST_ERROR = 64 * 1024


def check_status(reply: Reply, what: str) -> None:
    """Return for 200 and 206, else raise. `what` was asked for; it stands in the message."""
    if reply.status not in (200, 206):
        raise error_for(reply, what)
    if reply.header("content-encoding") not in (None, "", "identity"):
        raise BadAnswer(f"{reply.host} sent {what} compressed, although that was refused.")


def error_for(reply: Reply, what: str) -> UpstreamError:
    """The error for a status that is no success. Reads the body of a 404 for its code."""
    status, host = reply.status, reply.host
    said = f"{host} answered {status} for {what}."
    if reply.away and status in (401, 403):
        # Whether we may have it was decided before the redirect: its address has run out.
        return ServerFailed(said)
    if status in (401, 403):
        return Denied(said, unauthenticated=status == 401)
    if status == 404:
        return NotFound(f"{host} has no {what}.", _error_code(reply))
    if status == 408:
        return TimedOut(said)
    if status == 429:
        wait = parse_retry_after(reply.header("retry-after"), datetime.now(UTC))
        return RateLimited(f"{host} takes no more requests from us for now (429).", wait)
    return ServerFailed(said) if 500 <= status < 600 else BadAnswer(said)


def parse_retry_after(value: str | None, now: datetime) -> float | None:
    """Seconds to wait (RFC 9110 section 10.2.3), between 0 and a day; None if it says nothing."""
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        return float(min(int(text[:9]), LONGEST_RETRY_AFTER))
    try:
        moment = parsedate_to_datetime(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        seconds = (moment - now).total_seconds()
    except (ValueError, OverflowError):
        return None
    return min(max(seconds, 0.0), float(LONGEST_RETRY_AFTER))


def _error_code(reply: Reply) -> str | None:
    try:
        errors = json.loads(reply.read(_LONGEST_ERROR))["errors"]
        code = errors[0]["code"]
    except (UpstreamError, ValueError, LookupError, TypeError, RecursionError):
        return None
    return code if isinstance(code, str) and code in ERRORS else None
