"""Upstream's trouble in the protocol's terms: the one table, and the one place that applies it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from cache.oci.errors import RegistryError
from cache.streaming.source import AWAY, CANCELLED, CHANGED, CORRUPT, STORE_FAILED, SourceFailed
from cache.upstream import errors

NOT_FOUND = "not-found"
DENIED = "denied"
RATE_LIMITED = "rate-limited"
TIMED_OUT = "timed-out"
OFFLINE = "offline"
BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class _Refusal:
    code: str
    status: int


#: What a client is told. NOT_FOUND is missing: its code depends on what was asked for.
_TABLE = {
    DENIED: _Refusal("DENIED", 403),
    RATE_LIMITED: _Refusal("TOOMANYREQUESTS", 429),
    TIMED_OUT: _Refusal("UNAVAILABLE", 504),
    # What RFC 9111 section 5.2.1.7 has a cache say that may not ask.
    OFFLINE: _Refusal("UNAVAILABLE", 504),
    BROKEN: _Refusal("UNAVAILABLE", 502),
    AWAY: _Refusal("UNAVAILABLE", 502),
    CORRUPT: _Refusal("UNAVAILABLE", 502),
    CHANGED: _Refusal("UNAVAILABLE", 502),
    STORE_FAILED: _Refusal("UNAVAILABLE", 503),
    CANCELLED: _Refusal("UNAVAILABLE", 503),
}

_KINDS: tuple[tuple[type[errors.UpstreamError], str], ...] = (
    (errors.NotFound, NOT_FOUND),
    (errors.Denied, DENIED),
    (errors.RateLimited, RATE_LIMITED),
    (errors.TimedOut, TIMED_OUT),
    (errors.CircuitOpen, AWAY),
    (errors.Offline, OFFLINE),
)


class Unauthorized(RegistryError):
    """The client has to say who it is, or with another token: the answer carries a challenge.

    ``scope`` is what to ask a token for (empty: nothing in particular), ``error`` is RFC 6750's
    word (section 3.1) for what is wrong with the token that came.
    """

    def __init__(self, message: str, *, scope: str = "", error: str = "", code: str = "") -> None:
        super().__init__(code or "UNAUTHORIZED", message, status=401)
        self.scope = scope
        self.error = error


class OfflineByWish(RegistryError):
    """The operator took the upstream offline, so that this is nothing to be told of."""


def kind_of(error: errors.UpstreamError) -> str:
    """The word for an upstream's failure that a fill carries to its readers."""
    for error_type, kind in _KINDS:
        if isinstance(error, error_type):
            return kind
    return BROKEN


def retry_after_of(error: errors.UpstreamError) -> int | None:
    """The seconds to wait that upstream named, rounded up."""
    if not isinstance(error, errors.RateLimited) or error.retry_after is None:
        return None
    return math.ceil(error.retry_after)


def from_upstream(error: errors.UpstreamError, unknown: str) -> RegistryError:
    """The refusal for an upstream's failure; ``unknown`` is the code for a 404 of upstream."""
    return _refusal(kind_of(error), str(error), retry_after_of(error), unknown)


def from_source(failure: SourceFailed, unknown: str) -> RegistryError:
    """The refusal for a fill that failed."""
    return _refusal(failure.kind, failure.message, failure.retry_after, unknown)


def _refusal(kind: str, message: str, retry_after: int | None, unknown: str) -> RegistryError:
    if kind == NOT_FOUND:
        return RegistryError(unknown, message)
    refusal = _TABLE.get(kind, _TABLE[BROKEN])
    headers = {}
    if refusal.status == 429:
        headers["Retry-After"] = str(retry_after if retry_after is not None else 60)
    kind_of_error = OfflineByWish if kind == OFFLINE else RegistryError
    return kind_of_error(refusal.code, message, status=refusal.status, headers=headers)
