"""A client that does what the test decides, step by step."""

from __future__ import annotations

import hashlib
from contextlib import closing, contextmanager
from http import HTTPStatus
from http.client import HTTPConnection, HTTPSConnection
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    import ssl
    from collections.abc import Collection, Iterator
    from types import TracebackType

    from cache.oci.digest import Digest

PIECE = 256 * 1024
ANSWER_SECONDS = 60.0


@contextmanager
def pinged(
    address: str,
    answers: Collection[HTTPStatus] = (HTTPStatus.OK,),
    tls: ssl.SSLContext | None = None,
) -> Iterator[int | None]:
    """The local port of a connection on which `GET /v2/` had one of these answers, else None.

    The connection is open inside the block.
    """
    with closing(_connection(address, tls)) as connection:
        try:
            connection.request("GET", "/v2/")
            port: int = connection.sock.getsockname()[1]
            answered = connection.getresponse().status in answers
        except ConnectionError:
            answered = False
        yield port if answered else None


def _connection(address: str, tls: ssl.SSLContext | None) -> HTTPConnection:
    if tls is None:
        return HTTPConnection(address, timeout=ANSWER_SECONDS)
    return HTTPSConnection(address, timeout=ANSWER_SECONDS, context=tls)


class Download:
    """One GET of a blob on a connection of its own: the answer's head has come."""

    def __init__(self, address: str, repository: str, digest: Digest) -> None:
        self._connection = HTTPConnection(address, timeout=ANSWER_SECONDS)
        self._hash = hashlib.sha256()
        self.size = 0
        try:
            self._connection.request("GET", f"/v2/{repository}/blobs/{digest}")
            self.local_port: int = self._connection.sock.getsockname()[1]
            self._response = self._connection.getresponse()
            assert self._response.status == HTTPStatus.OK, self._response.read()
        except BaseException:
            self._connection.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.hang_up()

    def hang_up(self) -> None:
        """End the connection, wherever the body is."""
        self._response.close()
        self._connection.close()

    def read(self, count: int) -> None:
        """Take this many bytes of the body."""
        goal = self.size + count
        while self.size < goal:
            assert self._take(min(PIECE, goal - self.size)), f"it ended after {self.size} bytes"

    def read_all(self) -> str:
        """Take what remains; answers the digest of everything that came."""
        while self._take(PIECE):
            pass
        return f"sha256:{self._hash.hexdigest()}"

    def _take(self, count: int) -> int:
        data = self._response.read(count)
        self._hash.update(data)
        self.size += len(data)
        return len(data)
