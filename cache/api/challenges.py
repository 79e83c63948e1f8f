"""Asking a client who it is: `WWW-Authenticate` (RFC 9110 section 11.6.1, RFC 6750 section 3)."""

from __future__ import annotations

from django.http import HttpRequest

from cache import runtime
from cache.access.bearer import SERVICE
from cache.access.decision import Visibility
from cache.access.visibility import rules
from cache.api.forwarding import own_address
from cache.pull import Unauthorized

#: Where tokens are to be had.
TOKEN_PATH = "/v2/token"  # noqa: S105 - an address


def challenge(request: HttpRequest, refused: Unauthorized) -> str:
    """The header's value: one challenge, as Docker's daemon reads but one in a line."""
    parameters = {
        "realm": f"{own_address(request)}{TOKEN_PATH}",
        "service": SERVICE,
        "scope": refused.scope,
        "error": refused.error,
    }
    # Docker's daemon takes an empty value for a mistake.
    given = ",".join(f'{name}="{value}"' for name, value in parameters.items() if value)
    return f"Bearer {given}"


def asks_who_is_there() -> bool:
    """Whether the mirror has anything that not everyone may pull.

    If not, it asks nobody for anything. It has when anonymous clients get nothing, when an upstream
    knows who the mirror is and may give it more than others, and when an operator says so.
    """
    mirror = runtime.current()
    config = mirror.config
    return (
        config.access.anonymous == "none"
        or any(upstream.has_credentials for upstream in config.upstreams)
        or any(rule is Visibility.PRIVATE for _, rule in rules(mirror.remembered))
    )
