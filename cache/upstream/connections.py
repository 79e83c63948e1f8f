"""The connections to an upstream, its token servers and its storage: pools, TLS and the proxy.

Who is believed, and who is shown the client certificate, differs by host: see `Trust`.
"""

from __future__ import annotations

import os
import ssl
import threading
from dataclasses import dataclass
from functools import lru_cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from typing import TYPE_CHECKING

import httpcore
import httpx

from cache.upstream.endpoint import Endpoint, host_of
from cache.upstream.errors import Unreachable
from cache.upstream.held import hold_while_used

if TYPE_CHECKING:
    from collections.abc import Mapping

KEEPALIVE_SECONDS = 30.0
MOST_KEPT_ALIVE = 32

READ_AT_ONCE = 256 * 1024
"""Bytes. Each piece of a transfer passes a dozen functions: of large ones there are fewer."""

# There is no argument for it on the way through httpx.
httpcore.HTTP11Connection.READ_NUM_BYTES = READ_AT_ONCE


# To read the authorities takes longer than many a pull, and plain HTTP needs none.
_TRUSTS_NOBODY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@dataclass(frozen=True, slots=True)
class Trust:
    """How a host is spoken to over TLS.

    blindly: its certificate is not verified. The operator said so of the upstream's own host, and
      of no token server that gets the password, nor of a storage that anyone may be.
    known: it is shown the client certificate, as it may also have the password.
    """

    blindly: bool = False
    known: bool = False


class Connections:
    """Pools of connections, each made when it is first needed: none exists before a fork.

    Thread-safe. Without a proxy of its own, an upstream has those of the environment (HTTPS_PROXY,
    NO_PROXY, ...). A netrc file is never read, cookies are never kept.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._lock = threading.Lock()
        self._clients: dict[tuple[bool, Trust | None], httpx.Client] = {}
        self._contexts: dict[Trust, ssl.SSLContext] = {}
        self._closed = False

    @property
    def through(self) -> str:
        """For messages: the upstream's own proxy, without its user."""
        if not self._endpoint.proxy:
            return ""
        return f" through the proxy {host_of(httpx.URL(self._endpoint.proxy))}"

    def client(self, url: httpx.URL, *, transfer: bool) -> httpx.Client:
        """What sends requests to `url`; transfers have connections apart. Raises Unreachable."""
        trust = self._trust(url) if url.scheme == "https" else None
        with self._lock:
            if self._closed:
                raise Unreachable("The connections to upstream are closed.")
            key = (transfer, trust)
            if key not in self._clients:
                self._clients[key] = self._build(trust)
            return self._clients[key]

    def close(self) -> None:
        """Close them all, for good."""
        self._closed = True
        self.reset()

    def reset(self) -> None:
        """Close them all; whoever needs one makes it anew."""
        with self._lock:
            for client in self._clients.values():
                client.close()
            self._clients.clear()

    def _trust(self, url: httpx.URL) -> Trust:
        endpoint = self._endpoint
        return Trust(
            blindly=endpoint.insecure_skip_verify and endpoint.is_own_host(url),
            known=endpoint.client_certificate is not None and endpoint.may_send_credentials_to(url),
        )

    def _build(self, trust: Trust | None) -> httpx.Client:
        """For hosts of such a trust; for None, plain HTTP alone: it would trust nobody."""
        endpoint = self._endpoint
        try:
            client = httpx.Client(
                verify=_TRUSTS_NOBODY if trust is None else self._context(trust),
                proxy=self._proxy(),
                timeout=httpx.Timeout(
                    endpoint.first_byte_timeout,
                    connect=endpoint.connect_timeout,
                    pool=endpoint.connect_timeout,
                ),
                limits=httpx.Limits(
                    max_connections=endpoint.max_connections,
                    max_keepalive_connections=min(endpoint.max_connections, MOST_KEPT_ALIVE),
                    keepalive_expiry=KEEPALIVE_SECONDS,
                ),
                headers=self._headers(),
                cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
                follow_redirects=False,
            )
            hold_while_used(client)
            return client
        except (ImportError, ValueError, OSError, httpx.InvalidURL):
            # Not chained: what is wrong may be a proxy's address with a password in it.
            raise Unreachable(
                f"The proxy or the certificates for {endpoint.host} cannot be used: see its "
                "section in the configuration, and the environment."
            ) from None

    def _headers(self) -> Mapping[str, str]:
        return {"Accept-Encoding": "identity", "User-Agent": self._endpoint.user_agent}

    def _proxy(self) -> httpx.Proxy | None:
        """The upstream's own proxy, which stands above what the environment says, NO_PROXY too."""
        address = self._endpoint.proxy
        if not address:
            return None
        over_tls = address.startswith("https:")
        return httpx.Proxy(address, ssl_context=self._context(Trust()) if over_tls else None)

    def _context(self, trust: Trust) -> ssl.SSLContext:
        if trust not in self._contexts:
            self._contexts[trust] = tls_context(self._endpoint, trust)
        return self._contexts[trust]


def tls_context(endpoint: Endpoint, trust: Trust) -> ssl.SSLContext:
    """TLS to such a host; those without files or wishes of the operator share one.

    Raises OSError if a file cannot be used.
    """
    if endpoint.ca is None and trust == Trust():
        return _ordinary(_state_of_authorities())
    context = _new_context()
    if endpoint.ca is not None:
        context.load_verify_locations(endpoint.ca)
    if trust.blindly:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if trust.known and endpoint.client_certificate is not None:
        # An empty password keeps OpenSSL from asking for one at the terminal.
        context.load_cert_chain(endpoint.client_certificate, endpoint.client_key, password="")
    return context


def _new_context() -> ssl.SSLContext:
    context = httpx.create_ssl_context()
    # Besides the bundled authorities those that the operator gave the machine.
    context.load_default_certs()
    return context


@lru_cache(maxsize=1)
def _ordinary(_authorities: tuple[object, ...]) -> ssl.SSLContext:
    """Made once: to read some 140 certificates, twice, takes longer than many a pull."""
    return _new_context()


def _state_of_authorities() -> tuple[object, ...]:
    """Another one as soon as those of the machine may have changed."""
    paths = ssl.get_default_verify_paths()
    named = (os.environ.get(paths.openssl_cafile_env), os.environ.get(paths.openssl_capath_env))
    there = filter(None, (paths.cafile, paths.capath))
    return (*named, *((path, Path(path).stat().st_mtime_ns) for path in there))
