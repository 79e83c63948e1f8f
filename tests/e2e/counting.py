"""A proxy in front of a registry that counts what is asked, and can stop in mid-answer."""

from __future__ import annotations

import re
import secrets
import threading
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection, HTTPResponse
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from tests.fakes.faults import Gate
from tests.fakes.server import LoopbackServer, QuietHandler

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import TracebackType

SLICE = 64 * 1024
ANSWER_SECONDS = 60.0
HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "te", "upgrade"})
"""Headers about one connection, never passed on (RFC 9110, 7.6.1)."""


@dataclass(slots=True)
class Exchange:
    """One request and, as far as it has come, its answer. Header names are lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    status: int | None = None
    body_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Hold:
    """Stop the body of the answer to a GET of a matching target after so many bytes."""

    target: re.Pattern[str]
    after: int
    gate: Gate


class CountingProxy:
    """Passes GET and HEAD on to a registry, unchanged, and remembers them. Thread-safe.

    A path in `target_url` is put before that of each request. With a `storage`, it answers for a
    blob that the registry gives with a redirect to that one.
    """

    def __init__(
        self, target_url: str, host: str = "127.0.0.1", storage: Storage | None = None
    ) -> None:
        self.storage = storage
        self._target = urlsplit(target_url).netloc
        self.prefix = urlsplit(target_url).path.rstrip("/")
        self._address = (host, 0)
        self._server: LoopbackServer | None = None
        self._lock = threading.Lock()
        self._exchanges: list[Exchange] = []
        self._holds: list[Hold] = []
        self._gates: list[Gate] = []

    def __enter__(self) -> Self:
        self.switch_on()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.switch_off()

    @property
    def url(self) -> str:
        return f"http://{self._address[0]}:{self._address[1]}"

    def switch_on(self) -> None:
        """Listen: the first time on a free port, later on the same again."""
        self._server = LoopbackServer(self._address, handler_for(self))
        self._address = (self._address[0], self._server.server_address[1])

    def switch_off(self) -> None:
        """Break all connections and refuse new ones."""
        server, self._server = self._server, None
        if server is None:
            return
        server.cut_off()
        with self._lock:
            for gate in self._gates:
                gate.open()
        server.join()
        if server.failures:
            raise server.failures[0]

    @contextmanager
    def switched_off(self) -> Iterator[None]:
        """Off inside the block, on again after it."""
        self.switch_off()
        try:
            yield
        finally:
            self.switch_on()

    def hold(self, target: str, *, after: int) -> Gate:
        """Stop the next GET of what matches this pattern after so many bytes of its body.

        It goes on when the gate that is returned opens. Later GETs are not held.
        """
        gate = Gate()
        with self._lock:
            self._holds.append(Hold(re.compile(target), after, gate))
            self._gates.append(gate)
        return gate

    def seen(self, method: str, target: str = "") -> list[Exchange]:
        """Requests with this method for what matches this pattern, in the order of coming."""
        pattern = re.compile(target)
        with self._lock:
            return [
                exchange
                for exchange in self._exchanges
                if exchange.method == method and pattern.search(exchange.target)
            ]

    def gets(self, repository: str) -> list[str]:
        """What was fetched of this repository: the ends of the paths, as "blobs/sha256:…"."""
        base = f"/v2/{repository}/"
        found = self.seen("GET", f"^{re.escape(base)}(manifests|blobs)/")
        return [exchange.target.removeprefix(base) for exchange in found]

    def forget(self) -> None:
        """Start counting anew."""
        with self._lock:
            self._exchanges.clear()

    def begin(self, method: str, target: str, headers: Mapping[str, str]) -> Exchange:
        """Note a request that comes in."""
        exchange = Exchange(method, target, headers)
        with self._lock:
            self._exchanges.append(exchange)
        return exchange

    def take_hold(self, exchange: Exchange) -> Hold | None:
        """The hold that this request meets, which thereby is used up."""
        with self._lock:
            for hold in self._holds:
                if exchange.method == "GET" and hold.target.search(exchange.target):
                    self._holds.remove(hold)
                    return hold
        return None

    def connect(self) -> HTTPConnection:
        """A connection to the registry behind."""
        return HTTPConnection(self._target, timeout=ANSWER_SECONDS)


class Storage(CountingProxy):
    """Where a registry keeps its blobs: gives them to who has a signed address and nothing else.

    As the storage behind Docker Hub, it refuses a request that has an `Authorization` besides.
    """

    _signature = secrets.token_urlsafe(16)

    def address_of(self, target: str) -> str:
        """The signed address of what the registry has there."""
        return f"{self.url}{target}?signature={self._signature}"

    def refusal(self, exchange: Exchange) -> int | None:
        """The status for a request that is not passed on."""
        if "authorization" in exchange.headers:
            return HTTPStatus.BAD_REQUEST
        is_signed = exchange.target.endswith(f"?signature={self._signature}")
        return None if is_signed else HTTPStatus.FORBIDDEN


def handler_for(proxy: CountingProxy) -> type[QuietHandler]:
    """The request handler class of this proxy."""

    class Handler(QuietHandler):
        def do_GET(self) -> None:  # noqa: N802 - the base class dispatches to this name
            headers = {name.lower(): value for name, value in self.headers.items()}
            exchange = proxy.begin(self.command, self.path, headers)
            if isinstance(proxy, Storage):
                exchange.status = proxy.refusal(exchange)
            if exchange.status is not None:
                _answer(self, exchange.status, {})
                return
            with closing(proxy.connect()) as connection:
                _pass_request(self, connection, proxy.prefix)
                response = connection.getresponse()
                exchange.status = response.status
                if proxy.storage is not None and _is_blob(exchange):
                    exchange.status = HTTPStatus.TEMPORARY_REDIRECT
                    location = proxy.storage.address_of(self.path)
                    _answer(self, exchange.status, {"Location": location})
                    return
                _pass_head(self, response)
                _pass_body(self, response, exchange, proxy.take_hold(exchange))

        do_HEAD = do_GET  # noqa: N815 - see do_GET

    return Handler


def _is_blob(exchange: Exchange) -> bool:
    return exchange.status in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT) and (
        "/blobs/" in exchange.target
    )


def _answer(handler: QuietHandler, status: int, headers: Mapping[str, str]) -> None:
    handler.send_response(status)
    for name, value in {"Content-Length": "0", **headers}.items():
        handler.send_header(name, value)
    handler.end_headers()


def _pass_request(handler: QuietHandler, connection: HTTPConnection, prefix: str) -> None:
    target = prefix + handler.path
    connection.putrequest(handler.command, target, skip_host=True, skip_accept_encoding=True)
    for name, value in handler.headers.items():
        if name.lower() not in HOP_BY_HOP:
            connection.putheader(name, value)
    connection.endheaders()


def _pass_head(handler: QuietHandler, response: HTTPResponse) -> None:
    handler.send_response_only(response.status, response.reason)
    for name, value in response.getheaders():
        if name.lower() not in HOP_BY_HOP:
            handler.send_header(name, value)
    if response.chunked:
        handler.send_header("Connection", "close")
    handler.end_headers()


def _pass_body(
    handler: QuietHandler, response: HTTPResponse, exchange: Exchange, hold: Hold | None
) -> None:
    if hold is not None:
        _copy(handler, response, exchange, hold.after)
        hold.gate.pass_through()
    _copy(handler, response, exchange, None)


def _copy(
    handler: QuietHandler, response: HTTPResponse, exchange: Exchange, count: int | None
) -> None:
    """Pass on `count` bytes, or all that remain."""
    goal = None if count is None else exchange.body_bytes + count
    while goal is None or exchange.body_bytes < goal:
        size = SLICE if goal is None else min(SLICE, goal - exchange.body_bytes)
        data = response.read(size)
        if not data:
            break
        # Before they go out: who has them all must find them counted.
        exchange.body_bytes += len(data)
        handler.wfile.write(data)
