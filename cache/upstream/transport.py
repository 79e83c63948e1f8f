"""HTTP to an upstream and to where it redirects: one pool, and foreign errors translated.

Redirects are followed by hand, because who may see `Authorization` is decided at each hop.
"""

from __future__ import annotations

import errno
import logging
import socket
import ssl
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx

from cache import request
from cache.upstream.breaker import Breaker
from cache.upstream.connections import Connections
from cache.upstream.endpoint import Endpoint, host_of, origin_of, parse_http_url
from cache.upstream.errors import (
    BadAnswer,
    Busy,
    Offline,
    TimedOut,
    Unreachable,
    UpstreamError,
)
from cache.upstream.reply import Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from cache.upstream.bandwidth import Bandwidth

MOST_REDIRECTS = 5

_REDIRECTS = frozenset({301, 302, 303, 307, 308})

# Both write whole addresses into their logs, signed queries included.
for _name in ("httpx", "httpcore"):
    logging.getLogger(_name).setLevel(logging.WARNING)


class Transport:
    """HTTP to an upstream, its token servers and its storage. Thread-safe.

    All its methods raise UpstreamError; Offline if the operator took the upstream offline.
    `returned` is called when a probe finds that an upstream that was left alone is of use again.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        bandwidth: Bandwidth | None = None,
        returned: Callable[[], None] = lambda: None,
    ) -> None:
        self._endpoint = endpoint
        self._connections = Connections(endpoint)
        self._bandwidth = bandwidth
        self._origin = origin_of(endpoint.base)
        self._returned = returned
        self._breaker = Breaker(endpoint.host, self._probe)
        self._lock = threading.Lock()
        self._in_use = 0

    @property
    def is_away(self) -> bool:
        """Whether upstream has not answered lately; asks nobody."""
        return self._breaker.is_open

    def close(self) -> None:
        """Close all connections; requests after this raise Unreachable."""
        self._breaker.close()
        if self._bandwidth is not None:
            self._bandwidth.close()
        self._connections.close()

    def retire(self) -> None:
        """Ask no more whether upstream is back."""
        self._breaker.stop()

    def release(self) -> bool:
        """Close all connections if nothing comes over any; whether that is so."""
        with self._lock:
            if self._in_use:
                return False
            self._connections.reset()
        return True

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
        on, it is gone, and so is the name of the client's request, which is no storage's business.
        A `transfer` has connections apart, so that no number of slow ones keeps a short question
        waiting, and is bounded in its bandwidth.
        """
        with self._used():
            reply = self._follow(method, url, dict(headers), authorization, transfer=transfer)
            try:
                yield reply
            finally:
                reply.response.close()

    @contextmanager
    def post(
        self, url: httpx.URL, headers: Mapping[str, str], form: Mapping[str, str]
    ) -> Iterator[Reply]:
        """POST a form with secrets in it: they go to `url` and nowhere else, no redirect counts."""
        with self._used():
            response = self._ask("POST", url, {**headers, **_on_whose_behalf()}, form=form)
            try:
                if response.status_code in _REDIRECTS:
                    raise BadAnswer(
                        f"{host_of(url)} wants our credentials to be sent to elsewhere."
                    )
                yield Reply(response, host_of(url), False, self._endpoint.answer_timeout)
            finally:
                response.close()

    @contextmanager
    def _used(self) -> Iterator[None]:
        with self._lock:
            self._in_use += 1
        try:
            yield
        finally:
            with self._lock:
                self._in_use -= 1

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
        pace = self._bandwidth.spend if transfer and self._bandwidth is not None else None
        away = False
        if authorization is not None:
            headers["Authorization"] = authorization
        headers.update(_on_whose_behalf())
        for _ in range(MOST_REDIRECTS + 1):
            response = self._ask(method, url, headers, transfer=transfer)
            reply = Reply(response, host_of(url), away, self._endpoint.answer_timeout, pace)
            if reply.status not in _REDIRECTS:
                return reply
            reply.discard()
            url = next_hop(url, reply)
            if origin_of(url) != start:
                away = True
                headers.pop("Authorization", None)
                headers.pop(request.HEADER, None)
        raise BadAnswer(f"{host_of(url)} was reached over more than {MOST_REDIRECTS} redirects.")

    def _ask(
        self,
        method: str,
        url: httpx.URL,
        headers: Mapping[str, str],
        *,
        transfer: bool = False,
        form: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """Send, and let the breaker know how it went if it was to upstream itself."""
        if self._endpoint.offline:
            raise Offline(
                f"{self._endpoint.host} is not asked: the operator of this mirror took it offline."
            )
        client = self._connections.client(url, transfer=transfer)
        if origin_of(url) != self._origin:
            return self._send(client, method, url, headers, form)
        self._breaker.check()
        try:
            response = self._send(client, method, url, headers, form)
        except Busy:
            raise
        except (Unreachable, TimedOut):
            self._breaker.failed()
            raise
        self._breaker.succeeded()
        return response

    def _probe(self) -> None:
        """Any answer will do, but to say that upstream is back. Raises UpstreamError."""
        url = httpx.URL(f"{self._endpoint.base}/v2/")
        with self._used():
            client = self._connections.client(url, transfer=False)
            response = self._send(client, "GET", url, {}, None)
            response.close()
        if not response.is_server_error:
            self._returned()

    def _send(
        self,
        client: httpx.Client,
        method: str,
        url: httpx.URL,
        headers: Mapping[str, str],
        form: Mapping[str, str] | None,
    ) -> httpx.Response:
        wanted = client.build_request(method, url, headers=headers, data=form)
        try:
            try:
                response = client.send(wanted, stream=True)
            except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
                # The other side may close a kept connection just as it is used again.
                response = client.send(wanted, stream=True)
        except httpx.HTTPError as error:
            raise _translate(error, host_of(url), self._connections.through) from error
        except UnicodeError as error:
            raise BadAnswer(f"{host_of(url)} cannot be the name of a host.") from error
        # The limit that counts from here on, for each piece of the body.
        wanted.extensions["timeout"]["read"] = self._endpoint.stall_timeout
        return response


def _on_whose_behalf() -> Mapping[str, str]:
    """The header that names the client's request, for whoever compares upstream's log to ours."""
    asked = request.current()
    return {} if asked is None else {request.HEADER: asked.id}


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


def _translate(error: httpx.HTTPError, host: str, through: str) -> UpstreamError:
    """Our error; `through` names the proxy, if there is one, that may be to blame as well."""
    if isinstance(error, httpx.PoolTimeout):
        return Busy(f"All connections to {host} were busy for too long.")
    if isinstance(error, httpx.ConnectTimeout):
        return TimedOut(f"{host} did not accept a connection{through} in time.")
    if isinstance(error, httpx.TimeoutException):
        return TimedOut(f"{host} did not answer in time.")
    if isinstance(error, httpx.ProxyError):
        said = str(error)[:3]
        status = said if said.isdigit() else "no reason given"
        return Unreachable(f"The proxy refused to connect to {host} ({status}).")
    if isinstance(error, httpx.NetworkError) and _is_our_shortage(error):
        return Busy(f"The mirror has no file descriptor left to reach {host}.")
    if isinstance(error, httpx.NetworkError):
        return Unreachable(f"{host} cannot be reached{through}: {_reason(error)}.")
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
