"""HTTP to an upstream and to where it redirects: one pool, and foreign errors translated.

Redirects are followed by hand, because who may see `Authorization` is decided at each hop.
"""

from __future__ import annotations

import errno
import logging
import socket
import ssl
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING

import httpx

from cache.upstream.bandwidth import Bandwidth
from cache.upstream.breaker import Breaker
from cache.upstream.endpoint import Endpoint, host_of, origin_of, parse_http_url
from cache.upstream.errors import (
    BadAnswer,
    Busy,
    Interrupted,
    Offline,
    TimedOut,
    TooLarge,
    Unreachable,
    UpstreamError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MOST_REDIRECTS = 5
SMALL_BODY = 64 * 1024
"""Bytes that are read of an answer nobody needs, so that its connection can be used again."""
KEEPALIVE_SECONDS = 30.0

_REDIRECTS = frozenset({301, 302, 303, 307, 308})

# Both write whole addresses into their logs, signed queries included.
for _name in ("httpx", "httpcore"):
    logging.getLogger(_name).setLevel(logging.WARNING)


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer at the end of the redirects; its body is still to be read.

    `away`: it comes from another origin than the one that was asked.
    """

    response: httpx.Response
    host: str
    away: bool
    answer_timeout: float
    bandwidth: Bandwidth | None = None

    @property
    def status(self) -> int:
        return self.response.status_code

    def header(self, name: str) -> str | None:
        value = self.response.headers.get(name)
        return value if isinstance(value, str) else None

    def chunks(self) -> Iterator[bytes]:
        """The body as it arrives, exactly as sent. Raises Interrupted."""
        try:
            for chunk in self.response.iter_raw():
                if self.bandwidth is not None:
                    self.bandwidth.take(len(chunk))
                yield chunk
        except httpx.TimeoutException as error:
            raise Interrupted(f"{self.host} stopped sending in the middle of an answer.") from error
        except (httpx.TransportError, httpx.StreamError) as error:
            raise Interrupted(f"{self.host} broke off in the middle of an answer.") from error

    def read(self, limit: int) -> bytes:
        """The whole body, of at most `limit` bytes. Raises TooLarge, TimedOut, Interrupted."""
        deadline = time.monotonic() + self.answer_timeout
        body = bytearray()
        try:
            for chunk in self.chunks():
                body += chunk
                if len(body) > limit:
                    raise TooLarge(f"{self.host} sent an answer longer than {limit} bytes.")
                if time.monotonic() > deadline:
                    raise TimedOut(f"{self.host} did not send its whole answer in time.")
        except Interrupted as error:
            if isinstance(error.__cause__, httpx.TimeoutException):
                raise TimedOut(f"{self.host} did not send its whole answer in time.") from error
            raise
        return bytes(body)

    def discard(self) -> None:
        """Read the rest if that is little, so that the connection stays usable; then close."""
        try:
            self.read(SMALL_BODY)
        except UpstreamError:
            pass  # nobody wanted it
        finally:
            self.response.close()


class Transport:
    """Pools for an upstream, its token servers and its storage. Thread-safe.

    They are built at the first request: none exists before a fork. A proxy is taken from the
    environment (HTTPS_PROXY, NO_PROXY, ...) unless the endpoint names one; a netrc file is never
    read, cookies are never kept. What only the upstream's own host may see or be forgiven (a client
    certificate, one of its own that nobody vouches for) is not in the pool for other hosts.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._lock = threading.Lock()
        self._clients: dict[tuple[bool, bool], httpx.Client] = {}
        self._bandwidth = Bandwidth(endpoint.bandwidth) if endpoint.bandwidth else None
        self._closed = False
        self._origin = origin_of(endpoint.base)
        self._breaker = Breaker(endpoint.host, self._probe)

    def close(self) -> None:
        """Close all connections; requests after this raise Unreachable."""
        self._breaker.close()
        with self._lock:
            self._closed = True
            for client in self._clients.values():
                client.close()

    @contextmanager
    def open(
        self,
        method: str,
        url: httpx.URL,
        headers: Mapping[str, str],
        authorization: str | None,
        *,
        transfer: bool = False,
    ) -> Iterator[Reply]:
        """GET or HEAD, following redirects; the reply is closed at the end of the block.

        `authorization` goes to the origin of `url` alone: from the first hop to another origin
        on, it is gone. A `transfer` has connections apart, so that no number of slow ones keeps a
        short question waiting. Raises UpstreamError.
        """
        if self._endpoint.offline:
            raise Offline(f"{self._endpoint.host} is not asked: the operator took it offline.")
        reply = self._follow(method, url, dict(headers), authorization, transfer=transfer)
        try:
            yield reply
        finally:
            reply.response.close()

    def _follow(
        self,
        method: str,
        url: httpx.URL,
        headers: dict[str, str],
        authorization: str | None,
        *,
        transfer: bool,
    ) -> Reply:
        start = origin_of(url)
        away = False
        if authorization is not None:
            headers["Authorization"] = authorization
        for _ in range(MOST_REDIRECTS + 1):
            response = self._ask(method, url, headers, transfer=transfer)
            bandwidth = self._bandwidth if transfer else None
            reply = Reply(response, host_of(url), away, self._endpoint.answer_timeout, bandwidth)
            if reply.status not in _REDIRECTS:
                return reply
            reply.discard()
            url = next_hop(url, reply)
            if origin_of(url) != start:
                away = True
                headers.pop("Authorization", None)
        raise BadAnswer(f"{host_of(url)} was reached over more than {MOST_REDIRECTS} redirects.")

    def _ask(
        self, method: str, url: httpx.URL, headers: Mapping[str, str], *, transfer: bool
    ) -> httpx.Response:
        """Send, and let the breaker know how it went if it was to upstream itself."""
        client = self._pool(own=self._endpoint.is_own_host(url), transfer=transfer)
        if origin_of(url) != self._origin:
            return self._send(client, method, url, headers)
        self._breaker.check()
        try:
            response = self._send(client, method, url, headers)
        except Busy:
            raise
        except (Unreachable, TimedOut):
            self._breaker.failed()
            raise
        self._breaker.succeeded()
        return response

    def _probe(self) -> None:
        """Any answer will do. Raises UpstreamError."""
        url = httpx.URL(f"{self._endpoint.base}/v2/")
        self._send(self._pool(own=True, transfer=False), "GET", url, {}).close()

    def _send(
        self, client: httpx.Client, method: str, url: httpx.URL, headers: Mapping[str, str]
    ) -> httpx.Response:
        request = client.build_request(method, url, headers=headers)
        try:
            try:
                response = client.send(request, stream=True)
            except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
                # The other side may close a kept connection just as it is used again.
                response = client.send(request, stream=True)
        except httpx.HTTPError as error:
            raise _translate(error, host_of(url)) from error
        except UnicodeError as error:
            raise BadAnswer(f"{host_of(url)} cannot be the name of a host.") from error
        # The limit that counts from here on, for each piece of the body.
        request.extensions["timeout"]["read"] = self._endpoint.stall_timeout
        return response

    def _pool(self, *, own: bool, transfer: bool) -> httpx.Client:
        with self._lock:
            if self._closed:
                raise Unreachable("The connections to upstream are closed.")
            if (own, transfer) not in self._clients:
                self._clients[own, transfer] = _build_client(self._endpoint, own=own)
            return self._clients[own, transfer]


def _tls(endpoint: Endpoint, *, own: bool) -> ssl.SSLContext:
    tls = httpx.create_ssl_context(verify=not (own and endpoint.insecure_skip_verify))
    # Besides the bundled authorities those that the operator gave the machine, or us.
    tls.load_default_certs()
    if endpoint.ca is not None:
        tls.load_verify_locations(endpoint.ca)
    if own and endpoint.client_certificate is not None:
        # An empty password keeps OpenSSL from asking for one at the terminal.
        tls.load_cert_chain(endpoint.client_certificate, endpoint.client_key, password="")
    return tls


def _build_client(endpoint: Endpoint, *, own: bool) -> httpx.Client:
    """A pool for the upstream's own host, or for all others."""
    try:
        return httpx.Client(
            verify=_tls(endpoint, own=own),
            proxy=endpoint.proxy,
            timeout=httpx.Timeout(
                endpoint.first_byte_timeout,
                connect=endpoint.connect_timeout,
                pool=endpoint.connect_timeout,
            ),
            limits=httpx.Limits(
                max_connections=endpoint.max_connections,
                max_keepalive_connections=min(endpoint.max_connections, 32),
                keepalive_expiry=KEEPALIVE_SECONDS,
            ),
            headers={"Accept-Encoding": "identity", "User-Agent": endpoint.user_agent},
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            follow_redirects=False,
        )
    except (ImportError, ValueError, OSError, httpx.InvalidURL):
        # Not chained: what is wrong may be a proxy's address with a password in it.
        raise Unreachable(
            "The proxy or certificate settings for upstream cannot be used."
        ) from None


def next_hop(url: httpx.URL, reply: Reply) -> httpx.URL:
    """Where a redirect from `url` leads. Raises BadAnswer."""
    try:
        location = str(url.join(reply.header("location") or ""))
    except (httpx.InvalidURL, ValueError):
        location = ""
    target = parse_http_url(location)
    if target is None or reply.header("location") is None:
        raise BadAnswer(f"{reply.host} redirected to no usable address.")
    if url.scheme == "https" and target.scheme != "https":
        raise BadAnswer(f"{reply.host} redirected from https to http.")
    return target


def _translate(error: httpx.HTTPError, host: str) -> UpstreamError:
    if isinstance(error, httpx.PoolTimeout):
        return Busy(f"All connections to {host} were busy for too long.")
    if isinstance(error, httpx.ConnectTimeout):
        return TimedOut(f"{host} did not accept a connection in time.")
    if isinstance(error, httpx.TimeoutException):
        return TimedOut(f"{host} did not answer in time.")
    if isinstance(error, httpx.ProxyError):
        return Unreachable(f"The proxy refused to connect to {host}.")
    if isinstance(error, httpx.NetworkError) and _is_our_shortage(error):
        return Busy(f"The mirror has no file descriptor left to reach {host}.")
    if isinstance(error, httpx.NetworkError):
        return Unreachable(f"{host} cannot be reached: {_reason(error)}.")
    if isinstance(error, httpx.RemoteProtocolError) and "disconnected" in str(error):
        return Unreachable(f"{host} closed the connection without an answer.")
    return BadAnswer(f"{host} sent an answer that is not HTTP/1.1.")


def _is_our_shortage(error: BaseException) -> bool:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in (errno.EMFILE, errno.ENFILE):
            return True
        cause = cause.__cause__ or cause.__context__
    return False


def _reason(error: BaseException) -> str:
    """The operating system's reason in our words; the original may quote what upstream sent."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, socket.gaierror):
            return "its name is not known to the DNS"
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its TLS certificate is not trusted ({cause.verify_message})"
        if isinstance(cause, ssl.SSLError):
            return f"TLS failed ({cause.reason or 'no reason given'})"
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror.lower()
        cause = cause.__cause__ or cause.__context__
    return "the connection broke"
