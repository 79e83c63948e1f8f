"""The upstreams: names, connections, TLS and credentials, quota, and what time it is there."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from urllib.parse import urlsplit

from cache import runtime
from cache.config import Config, Proxy
from cache.doctor.line import Line, error, ok, warning
from cache.upstream import errors
from cache.upstream.client import Upstream

#: So many upstreams are asked at once.
AT_ONCE = 8

#: A clock that is so far (seconds) from an upstream's makes tokens end too soon or too late.
SKEW = 60.0

#: An answer that takes so long (seconds) keeps each pull of a tag waiting.
SLOW = 2.0

_PORTS = {"http": 80, "https": 443}


def look(config: Config, upstreams: Mapping[str, Upstream] | None) -> Iterator[Line]:
    """Look at each, in their order; each is asked once whether it takes us.

    ``upstreams`` are the running mirror's own, if there is one: they know the quota.
    """
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="doctor") as pool:
        for lines in pool.map(lambda proxy: _look(proxy, upstreams), config.upstreams):
            yield from lines


def _look(proxy: Proxy, upstreams: Mapping[str, Upstream] | None) -> list[Line]:
    topic = f"upstream {proxy.name}"
    if proxy.offline:
        return [ok(topic, "it is never asked (offline)")]
    if not _is_proxied(proxy):
        problem = _connect(topic, proxy)
        if problem is not None:
            return [problem]
    if upstreams is not None:
        return list(_ask(topic, proxy, upstreams[proxy.name]))
    with closing(runtime.reach(proxy)) as upstream:
        return list(_ask(topic, proxy, upstream))


def _is_proxied(proxy: Proxy) -> bool:
    """Whether the way there may be over an egress proxy, which then looks up the name."""
    names = ("https_proxy", "http_proxy", "all_proxy")
    set_outside = any(os.environ.get(name) or os.environ.get(name.upper()) for name in names)
    return bool(proxy.proxy) or set_outside


def _connect(topic: str, proxy: Proxy) -> Line | None:
    """What keeps a connection from being made, if anything."""
    url = urlsplit(proxy.remoteurl)
    host, port = url.hostname or "", url.port or _PORTS[url.scheme]
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        advice = "see remoteurl, /etc/resolv.conf, and whether this machine reaches its name server"
        return error(topic, f"the name {host} is not known", advice)
    addresses = list(dict.fromkeys(str(address[0]) for *_, address in found))
    try:
        socket.create_connection((host, port), proxy.connect_timeout.total_seconds()).close()
    except OSError as failure:
        reason = "no answer in time" if isinstance(failure, TimeoutError) else failure.strerror
        tried = ", ".join(addresses[:4])
        return error(
            topic,
            f"no connection to port {port} of {host} ({tried}): {reason or 'it failed'}",
            "see the firewall, or set the egress proxy",
        )
    return None


def _ask(topic: str, proxy: Proxy, upstream: Upstream) -> Iterator[Line]:
    began = time.monotonic()
    try:
        date = upstream.ping()
    except errors.Denied as denied:
        yield _denied(topic, upstream, denied)
        return
    except errors.RateLimited as limited:
        yield warning(topic, str(limited).rstrip("."), "what is held is served; sign in, or wait")
        return
    except errors.UpstreamError as failure:
        yield error(topic, str(failure).rstrip("."), "what is held is served, nothing new is")
        return
    seconds = time.monotonic() - began
    who = "takes us as signed in" if upstream.endpoint.has_credentials else "takes anybody"
    if proxy.remoteurl.startswith("http:"):
        who += ", without TLS"
    found = f"{who}, and answers in {seconds * 1000:.0f} ms"
    if seconds > SLOW:
        yield warning(topic, found, "each pull of a tag waits for that: see freshness")
    else:
        yield ok(topic, found)
    if proxy.insecure_skip_verify:
        yield warning(topic, "its certificate is not verified", "set ca in place of it")
    if date is not None:
        yield from _clock(topic, date)
    yield from _quota(topic, proxy, upstream)


def _denied(topic: str, upstream: Upstream, denied: errors.Denied) -> Line:
    if upstream.endpoint.has_credentials:
        return error(topic, "it refuses our credentials", "see username and password, or exec")
    if denied.unauthenticated:
        return error(topic, "it takes nobody who is not signed in", "set username and password")
    return error(topic, str(denied).rstrip("."), "see allow lists there, or set credentials")


def _clock(topic: str, date: datetime) -> Iterator[Line]:
    off = (datetime.now(UTC) - date).total_seconds()
    if abs(off) > SKEW:
        found = f"this machine's clock is {abs(off):.0f} s {'ahead of' if off > 0 else 'behind'}"
        yield warning("clock", f"{found} {topic}'s", "have it set by the network's time")
    else:
        yield ok("clock", f"it goes with {topic}'s")


def _quota(topic: str, proxy: Proxy, upstream: Upstream) -> Iterator[Line]:
    """What earlier pulls were told of it; nobody is asked."""
    quota = upstream.quota()
    if quota.limit is not None and quota.remaining is not None:
        found = f"{quota.remaining} of {quota.limit} counted pulls are left"
        if quota.is_below(proxy.quota_reserve):
            yield warning(
                topic, found, "tags are not checked below quota_reserve; sign in for more"
            )
        else:
            yield ok(topic, found)
