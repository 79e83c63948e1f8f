"""Is an upstream all right? Asked step by step: the first step that fails names the fault."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from cache import runtime
from cache.config import Proxy
from cache.oci.reference import RepositoryName, Tag
from cache.upstream.client import Upstream
from cache.upstream.errors import UpstreamError

#: A step's own patience (seconds): somebody is waiting for the page.
PATIENCE = 5.0

_MOST_ADDRESSES = 4


@dataclass(frozen=True, slots=True)
class Step:
    """A step, whether it went well (None: not tried), what came out, after how many seconds."""

    title: str
    went_well: bool | None
    says: str
    seconds: float = 0.0


class _Failed(Exception):
    """The step did not go well; the message says why."""


def examine(name: str, image: tuple[RepositoryName, Tag] | None) -> list[Step]:
    """The steps to the upstream called ``name``, and on to the HEAD of an image if one is given.

    ``KeyError`` if there is no such upstream. A HEAD of a manifest does not count against a quota.
    """
    mirror = runtime.current()
    return list(_run(_steps(mirror.config.names[name], mirror.upstreams[name], image)))


def _steps(
    proxy: Proxy, upstream: Upstream, image: tuple[RepositoryName, Tag] | None
) -> list[tuple[str, Callable[[], str]]]:
    through = urlsplit(proxy.proxy) if proxy.proxy else None
    target = through or urlsplit(proxy.remoteurl)
    host = target.hostname or ""
    port = target.port or (443 if target.scheme == "https" else 80)
    whose = " of the egress proxy" if through else ""
    steps: list[tuple[str, Callable[[], str]]] = [
        (f"The name {host}{whose} resolves", lambda: _resolve(host, port)),
        (f"{host} takes connections at port {port}", lambda: _connect(host, port)),
    ]
    if target.scheme == "https" and proxy.ca is None and not proxy.insecure_skip_verify:
        steps.append(("TLS, with a certificate for that name", lambda: _handshake(host, port)))
    steps.append(("Answers as a registry", lambda: _ping(upstream)))
    if image is not None:
        repository, tag = image
        title = f"Lets us in, and has {repository}:{tag}"
        steps.append((title, lambda: _head(upstream, repository, tag)))
    return steps


def _run(steps: list[tuple[str, Callable[[], str]]]) -> Iterator[Step]:
    is_over = False
    for title, attempt in steps:
        if is_over:
            yield Step(title, None, "not tried")
            continue
        began = time.monotonic()
        try:
            says = attempt()
        except (_Failed, UpstreamError) as error:
            is_over = True
            yield Step(title, False, str(error), time.monotonic() - began)
        else:
            yield Step(title, True, says, time.monotonic() - began)


def _resolve(host: str, port: int) -> str:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise _Failed(f"the name is not known here ({error.strerror}): check the DNS") from None
    addresses = list(dict.fromkeys(str(one[4][0]) for one in found))
    more = len(addresses) - _MOST_ADDRESSES
    return ", ".join(addresses[:_MOST_ADDRESSES]) + (f" and {more} more" if more > 0 else "")


def _connect(host: str, port: int) -> str:
    try:
        with socket.create_connection((host, port), PATIENCE) as connection:
            address = connection.getpeername()[0]
    except TimeoutError:
        raise _Failed(f"no connection within {PATIENCE:g} s: is there a firewall?") from None
    except OSError as error:
        raise _Failed(f"no connection: {error.strerror or error}") from None
    return f"connected to {address}"


def _handshake(host: str, port: int) -> str:
    context = ssl.create_default_context()
    try:
        with (
            socket.create_connection((host, port), PATIENCE) as connection,
            context.wrap_socket(connection, server_hostname=host) as secured,
        ):
            certificate = secured.getpeercert() or {}
            version = secured.version()
    except ssl.SSLCertVerificationError as error:
        raise _Failed(f"its certificate is not trusted: {error.verify_message}") from None
    except OSError as error:
        raise _Failed(f"no TLS: {error.strerror or error}") from None
    return f"{version}, certificate until {certificate.get('notAfter', 'an unknown day')}"


def _ping(upstream: Upstream) -> str:
    upstream.ping()
    return "it speaks the registry protocol"


def _head(upstream: Upstream, repository: RepositoryName, tag: Tag) -> str:
    head = upstream.head_manifest(repository, tag)
    return f"it is {head.digest}" if head.digest else "it is there"
