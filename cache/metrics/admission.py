"""Who may read the metrics: everyone that reaches them, or who has the operator's token."""

from __future__ import annotations

import hmac


def is_admitted(authorization: str | None, token: str) -> bool:
    """Whether a request with this `Authorization` (RFC 6750, section 2.1) may read the metrics.

    An empty ``token`` is none: then nobody needs one. What was sent is compared in a time that
    tells nothing of the token.
    """
    if not token:
        return True
    scheme, _, sent = (authorization or "").partition(" ")
    is_right = hmac.compare_digest(
        sent.strip().encode("utf-8", "surrogateescape"), token.encode("utf-8")
    )
    return is_right and scheme.lower() == "bearer"
