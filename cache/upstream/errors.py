"""What can go wrong with an upstream, in the words that the rest of the mirror decides by.

Every message is a sentence that may be shown to anyone: it names hosts, never credentials, tokens
or addresses with a query, and quotes nothing that upstream sent. `retryable` says whether the
same request may succeed later without anyone changing anything, `kind` is its name in a metric.
"""

from __future__ import annotations


class UpstreamError(Exception):
    """The base of all errors that `cache.upstream` raises."""

    retryable = False
    kind = "other"


class NotFound(UpstreamError):
    """Upstream says 404. `code` is the OCI error code if it gave a known one."""

    kind = "not_found"

    def __init__(self, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.code = code


class Denied(UpstreamError):
    """Upstream says no: with 401 after all we could offer (`unauthenticated`), or with 403."""

    kind = "denied"

    def __init__(self, message: str, *, unauthenticated: bool) -> None:
        super().__init__(message)
        self.unauthenticated = unauthenticated


class NoCredentials(UpstreamError):
    """The credential helper, which is the operator's and not upstream's, did not say who we are."""

    kind = "no_credentials"


class RateLimited(UpstreamError):
    """Upstream says 429. `retry_after` is in seconds, None if it gave no time."""

    kind = "rate_limited"
    retryable = True

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Unreachable(UpstreamError):
    """No answer: no such host, refused, reset, or TLS failed."""

    kind = "unreachable"
    retryable = True


class CircuitOpen(Unreachable):
    """Upstream was not asked: it has not answered lately, and is being probed."""

    kind = "circuit_open"
    retryable = False


class Offline(Unreachable):
    """Upstream was not asked: the operator has taken it offline."""

    kind = "offline"
    retryable = False


class TimedOut(UpstreamError):
    """No connection, no answer or no whole answer in time."""

    kind = "timed_out"
    retryable = True


class Busy(TimedOut):
    """All of our own connections to upstream were in use for too long: upstream is not to blame."""

    kind = "busy"


class ServerFailed(UpstreamError):
    """Upstream cannot: 5xx, or the storage that it redirected to does not honour the redirect."""

    kind = "server_failed"
    retryable = True


class BadAnswer(UpstreamError):
    """An answer that no registry should give."""

    kind = "bad_answer"


class TooLarge(UpstreamError):
    """An answer longer than the mirror takes."""

    kind = "too_large"


class Interrupted(UpstreamError):
    """The answer's body ended too early, or stopped coming."""

    kind = "interrupted"
    retryable = True


class RangeRejected(UpstreamError):
    """Upstream says 416: the blob has no byte at the offset. `size` in bytes, if it was told."""

    kind = "range_rejected"

    def __init__(self, message: str, size: int | None = None) -> None:
        super().__init__(message)
        self.size = size
