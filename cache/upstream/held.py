"""Connections that their pool cannot close under a request.

httpcore 1.0 decides which idle connections to close while other threads begin requests on them: it
asks a connection whether it is idle, or whether its socket can be read, and closes it a moment
later, outside its lock. What has become busy in between then ends with "Bad file descriptor" in the
middle of an answer. So a connection that is asked to close while it is in use does so afterwards.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import cast

import httpcore
import httpx


def hold_while_used(client: httpx.Client) -> None:
    """Have all pools of the client make such connections from now on."""
    # httpx takes no pool of ours without giving up the environment's proxies: hence its own.
    for transport in (client._transport, *client._mounts.values()):  # noqa: SLF001
        if isinstance(transport, httpx.HTTPTransport):
            pool = transport._pool  # noqa: SLF001
            vars(pool)["create_connection"] = _holding(pool.create_connection)


def _holding(
    create: Callable[[httpcore.Origin], httpcore.ConnectionInterface],
) -> Callable[[httpcore.Origin], httpcore.ConnectionInterface]:
    return lambda origin: HeldConnection(create(origin))


class HeldConnection(httpcore.ConnectionInterface):
    """A connection that closes when nobody uses it any more; thread-safe."""

    def __init__(self, connection: httpcore.ConnectionInterface) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._users = 0
        self._unwanted = False

    def handle_request(self, request: httpcore.Request) -> httpcore.Response:
        """The answer to a request; raises ConnectionNotAvailable if the pool had let go before."""
        with self._lock:
            if self._unwanted:
                raise httpcore.ConnectionNotAvailable
            self._users += 1
        try:
            response = self._connection.handle_request(request)
        except BaseException:
            self._let_go()
            raise
        response.stream = _Body(cast(Iterable[bytes], response.stream), self._let_go)
        return response

    def close(self) -> None:
        """Close now, or when the last user has done."""
        with self._lock:
            self._unwanted = True
            if self._users:
                return
        self._connection.close()

    def _let_go(self) -> None:
        with self._lock:
            self._users -= 1
            if self._users or not self._unwanted:
                return
        self._connection.close()

    def info(self) -> str:
        return self._connection.info()

    def can_handle_request(self, origin: httpcore.Origin) -> bool:
        return self._connection.can_handle_request(origin)

    def is_available(self) -> bool:
        return not self._unwanted and self._connection.is_available()

    def has_expired(self) -> bool:
        return self._connection.has_expired()

    def is_idle(self) -> bool:
        return self._connection.is_idle()

    def is_closed(self) -> bool:
        return self._connection.is_closed()


class _Body:
    """A body that says once when it is closed."""

    def __init__(self, stream: Iterable[bytes], closed: Callable[[], None]) -> None:
        self._stream = stream
        self._closed: Callable[[], None] | None = closed

    def __iter__(self) -> Iterator[bytes]:
        yield from self._stream

    def close(self) -> None:
        closed, self._closed = self._closed, None
        try:
            if hasattr(self._stream, "close"):
                self._stream.close()
        finally:
            if closed is not None:
                closed()
