"""Where a request came from and under which address, as far as it can be believed.

`X-Forwarded-…` is anybody's to write: it counts only on connections from `http.trusted_proxies`.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any, TypeAlias

from django.http import HttpRequest

from cache import runtime
from cache.config import listener

_Networks: TypeAlias = tuple[IPv4Network | IPv6Network, ...]

# RFC 3986 section 3.2.2, as far as a registry's host is one.
_HOST = re.compile(r"(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")

_MOST_HOPS = 20


def client_address(request: HttpRequest) -> str | None:
    """The client's address, that of an untrusted proxy's at the worst; None if there is none."""
    return address_of(request.META, runtime.current().config.http.trusted_proxies) or None


def address_of(environ: Mapping[str, Any], trusted: _Networks) -> str:
    """The same for the environment of a request; empty if there is none.

    Of the addresses in `X-Forwarded-For`, the last one that is no trusted proxy's counts: what
    stands before it was sent by the client.
    """
    if not trusted:
        return _text(environ.get("REMOTE_ADDR"))
    address = _address(environ.get("REMOTE_ADDR"))
    if address is not None:
        hops = environ.get("HTTP_X_FORWARDED_FOR", "").split(",")[-_MOST_HOPS:]
        while _is_in(address, trusted) and hops:
            before = _address(hops.pop())
            if before is None:
                break
            address = before
    return "" if address is None else str(address)


def comes_from_proxy(request: HttpRequest) -> bool:
    """Whether a trusted proxy has sent the request."""
    address = _address(request.META.get("REMOTE_ADDR"))
    return address is not None and _is_trusted(address)


def own_address(request: HttpRequest) -> str:
    """Scheme and host under which the client reaches the mirror, without a trailing slash."""
    scheme, host = request.scheme or "http", request.META.get("HTTP_HOST", "")
    if comes_from_proxy(request):
        forwarded = _last(request.META.get("HTTP_X_FORWARDED_PROTO", "")).lower()
        scheme = forwarded if forwarded in ("http", "https") else scheme
        host = _last(request.META.get("HTTP_X_FORWARDED_HOST", "")) or host
    if not _HOST.fullmatch(host):
        return listener.url(runtime.current().config.http)
    return f"{scheme}://{host}"


def _last(text: str) -> str:
    return text.rpartition(",")[2].strip()


@functools.lru_cache(maxsize=4096)
def _address(text: str | None) -> IPv4Address | IPv6Address | None:
    try:
        found = ip_address((text or "").strip())
    except ValueError:
        return None
    # A listener for both speaks of IPv4 clients so.
    return (found.ipv4_mapped or found) if isinstance(found, IPv6Address) else found


@functools.lru_cache(maxsize=4096)
def _text(told: str | None) -> str:
    address = _address(told)
    return "" if address is None else str(address)


def _is_trusted(address: IPv4Address | IPv6Address) -> bool:
    return _is_in(address, runtime.current().config.http.trusted_proxies)


def _is_in(address: IPv4Address | IPv6Address, networks: _Networks) -> bool:
    return any(address in network for network in networks)
