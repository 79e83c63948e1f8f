"""An egress proxy for the tests: CONNECT to anywhere, and plain HTTP passed on."""

from __future__ import annotations

import base64
import contextlib
import select
import socket
import ssl
from http.client import HTTPConnection
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from tests.fakes.certificates import certificate_name
from tests.fakes.server import LoopbackServer, QuietHandler


class FakeProxy:
    """Listens while the block runs. `asked` has a line for each request, with its method.

    `certificates` has the names in what clients have shown. With `user` it lets only that
    `name:password` through.
    """

    def __init__(self, user: str | None = None, tls: ssl.SSLContext | None = None) -> None:
        self.asked: list[str] = []
        self.certificates: set[str | None] = set()
        self.user = user
        self._tls = tls
        self._server: LoopbackServer | None = None

    def __enter__(self) -> Self:
        handler = type("Handler", (_Handler,), {"proxy": self})
        self._server = LoopbackServer(("127.0.0.1", 0), handler, self._tls)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.cut_off()
        self._server.join()
        assert not self._server.failures, self._server.failures

    @property
    def address(self) -> str:
        """`host:port`."""
        assert self._server is not None
        return f"127.0.0.1:{self._server.server_address[1]}"

    def admits(self, authorization: str | None) -> bool:
        if self.user is None:
            return True
        return authorization == f"Basic {base64.b64encode(self.user.encode()).decode()}"


class _Handler(QuietHandler):
    server: LoopbackServer
    proxy: FakeProxy

    def do_CONNECT(self) -> None:  # noqa: N802 - the base class dispatches to this name
        if not self._is_admitted():
            return
        host, _, port = self.path.partition(":")
        try:
            target = socket.create_connection((host, int(port)), timeout=10)
        except OSError:
            self._refuse(502)
            return
        with target:
            self.send_response(200)
            self.end_headers()
            _shovel(self.connection, target, self.server)
        self.close_connection = True

    def do_GET(self) -> None:  # noqa: N802 - see do_CONNECT
        if not self._is_admitted():
            return
        url = urlsplit(self.path)
        onward = HTTPConnection(url.netloc, timeout=10)
        with contextlib.closing(onward):
            onward.request(
                self.command,
                self.path.removeprefix(f"http://{url.netloc}"),
                headers=dict(self.headers),
            )
            answer = onward.getresponse()
            body = answer.read()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() != "content-length":
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_HEAD = do_GET  # noqa: N815 - see do_CONNECT

    def _is_admitted(self) -> bool:
        self.proxy.asked.append(f"{self.command} {self.path}")
        self.proxy.certificates.add(certificate_name(self.connection))
        admitted = self.proxy.admits(self.headers.get("Proxy-Authorization"))
        if not admitted:
            self._refuse(407)
        return admitted

    def _refuse(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()


def _shovel(one: socket.socket, other: socket.socket, server: LoopbackServer) -> None:
    """Pass bytes both ways until a side ends."""
    ways = {one: other, other: one}
    while not server.halting.is_set():
        ready = [one] if isinstance(one, ssl.SSLSocket) and one.pending() else []
        for source in ready or select.select(list(ways), [], [], 0.05)[0]:
            piece = source.recv(65_536)
            if not piece:
                return
            ways[source].sendall(piece)
