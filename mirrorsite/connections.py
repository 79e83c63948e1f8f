"""Clients that are slow, silent or gone: what bounds the wait for them, so that no other waits too.

Between requests, and before the first one, a connection costs no thread. In a request, a thread
waits for its client, and :class:`Watch` sees to it that it does not wait for ever.
"""

from __future__ import annotations

import errno
import select
import socket
import ssl
import struct
import threading
import time
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import TYPE_CHECKING

from gunicorn.http import message
from gunicorn.http.unreader import SocketUnreader
from gunicorn.workers.gthread import TConn

if TYPE_CHECKING:
    from collections.abc import Iterator

#: The longest time between two looks at those who wait (seconds).
_STEP = 5.0

# linux/tcp.h, `struct tcp_info`, from Linux 4.6 on.
_INFO_SIZE = 148
_UNACKED_SEGMENTS = 24
_BYTES_ACKED = 120
_BYTES_NOT_SENT = 144

LINGER = 0.002
"""So long (seconds) a thread waits for a connection's next request: a round trip in one building,
and what a client thinks about between two requests."""

# socket(7): a `struct timeval`.
_LINGER = struct.pack("ll", 0, int(LINGER * 1e6))

_RESET_AT_CLOSE = struct.pack("ii", 1, 0)


class Late(Enum):
    """What a client took too long for; the value ends a sentence about it."""

    REQUEST = "its request did not arrive"
    ANSWER = "it took no byte of its answer"


class Unreader(SocketUnreader):  # type: ignore[misc]  # gunicorn carries no types
    """Reads from a socket that gives up each wait after :data:`LINGER` (SO_RCVTIMEO).

    So one call of the system waits for the next request and reads it: each of them gives Python's
    lock away, and threads that want it are woken up.

    `patience` is how long (seconds) each piece of a body may take. None is for a head, to which the
    :class:`Watch` puts an end; of a body it cannot tell who waits for whom.
    """

    patience: float | None = None

    def look(self) -> bool:
        """Whether anything has come by then, be it the client's end."""
        try:
            self.unread(super().chunk())
        except BlockingIOError:
            return False
        except OSError:
            pass  # the connection's end, which is told again as the end of what can be read
        return True

    def chunk(self, size_hint: int | None = None) -> bytes:
        """What comes next. Raises OSError if it is of a body, and takes longer than `patience`."""
        if self.patience is not None and self.sock.gettimeout() is None:
            is_here = isinstance(self.sock, ssl.SSLSocket) and self.sock.pending()
            if not is_here and not _comes(self.sock, self.patience):
                raise OSError(errno.ETIMEDOUT, "the body of a request did not arrive")
        while True:
            try:
                return bytes(super().chunk(size_hint))
            except BlockingIOError:
                _comes(self.sock)


class Request(message.Request):  # type: ignore[misc]  # gunicorn carries no types
    """A request's head. No client's address makes what it says of its way here true.

    gunicorn would look in `forwarded_allow_ips`, which is empty: who is a proxy is asked in
    :mod:`cache.api.forwarding`.
    """

    def _peer_is_trusted_proxy(self) -> bool:
        return not isinstance(self.peer_addr, tuple)


class Connection(TConn):  # type: ignore[misc]  # gunicorn carries no types
    """A client's connection, which both the thread that answers and the main thread may close."""

    def init(self) -> None:
        """Before the first request: TLS, if it is spoken here, and what reads requests."""
        if not self.initialized:
            super().init()
            self.parser.mesg_class = Request
            self.parser.unreader = Unreader(self.sock)
            # Over TLS, a wait that ends early would be taken for TLS that wants more.
            if not isinstance(self.sock, ssl.SSLSocket):
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _LINGER)

    def close(self, graceful: bool = False) -> None:
        if self.sock.fileno() >= 0:
            super().close(graceful)

    def has_more(self) -> bool:
        """Whether something of another request is there, or comes within :data:`LINGER`.

        The client's end is something, too: reading tells.
        """
        if self.parser.unreader.buf.tell():
            return True
        if isinstance(self.sock, ssl.SSLSocket):
            return bool(self.sock.pending()) or _comes(self.sock, LINGER)
        return bool(self.parser.unreader.look())

    def __str__(self) -> str:
        host, port = self.client[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@dataclass(slots=True)
class _Wait:
    """`since` when a client keeps its thread waiting for `late`, in time.monotonic()'s seconds."""

    late: Late
    since: float
    taken: int = -1


def _comes(sock: socket.socket, timeout: float | None = None) -> bool:
    """Whether something can be read before so many seconds have passed; None is for ever."""
    waiting = select.poll()
    waiting.register(sock, select.POLLIN)
    return bool(waiting.poll(None if timeout is None else timeout * 1000))


class Watch:
    """The connections for which a thread waits now, each for `limit` at most.

    A request's head (and the TLS handshake before it) has to arrive within `limit`, however its
    bytes are spread. An answer may take as long as it takes, as long as the client goes on taking
    it: no timeout of a socket can tell that, because a write of many bytes to a slow client waits
    for all of them, and TCP_USER_TIMEOUT (tcp(7)) breaks slow connections with small windows too.

    :meth:`drop` is for one thread; the other methods may be called by any.
    """

    def __init__(self, limit: timedelta) -> None:
        self.limit = limit.total_seconds()
        self._step = min(_STEP, self.limit / 4)
        self._look_at = 0.0
        self._lock = threading.Lock()
        self._waits: dict[Connection, _Wait] = {}

    def __len__(self) -> int:
        return len(self._waits)

    def request(self, connection: Connection) -> None:
        """A thread begins to read a request."""
        self._enter(connection, Late.REQUEST)

    def answer(self, connection: Connection) -> None:
        """The request's head is there, and the thread begins to answer."""
        self._enter(connection, Late.ANSWER)

    def end(self, connection: Connection) -> None:
        """The thread is done with the client. The connection may only be closed after this."""
        with self._lock:
            self._waits.pop(connection, None)

    def drop(self) -> Iterator[tuple[Connection, Late]]:
        """End each connection that is late; its thread finds it broken and goes on to close it.

        Cheap enough to be called all the time: most calls do nothing.
        """
        now = time.monotonic()
        if now < self._look_at:
            return
        self._look_at = now + self._step
        with self._lock:
            waits = list(self._waits.items())
        for connection, wait in waits:
            if self._is_late(connection, wait, now) and self._break(connection, wait):
                yield connection, wait.late

    def _enter(self, connection: Connection, late: Late) -> None:
        with self._lock:
            self._waits[connection] = _Wait(late, time.monotonic())

    def _is_late(self, connection: Connection, wait: _Wait, now: float) -> bool:
        if wait.late is Late.ANSWER:
            taken = _taken(connection.sock)
            if taken is None or taken != wait.taken:
                wait.taken, wait.since = -1 if taken is None else taken, now
        return now - wait.since >= self.limit

    def _break(self, connection: Connection, wait: _Wait) -> bool:
        # Under the lock the thread cannot go on to close the socket, and no other file can get
        # its number meanwhile.
        with self._lock:
            if self._waits.get(connection) is not wait:
                return False
            try:
                # Past TLS, which would say goodbye: the thread is in the middle of using it.
                sock = connection.sock
                socket.socket.setsockopt(sock, socket.SOL_SOCKET, socket.SO_LINGER, _RESET_AT_CLOSE)
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
            except OSError:
                # Its end has come already, or TLS just takes the socket over: see the next look.
                return False
            del self._waits[connection]
            return True


def _taken(client: socket.socket) -> int | None:
    """How many bytes `client` has acknowledged; None if no byte waits for it."""
    try:
        info = client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO_SIZE)
        (segments,) = struct.unpack_from("=I", info, _UNACKED_SEGMENTS)
        (acked,) = struct.unpack_from("=Q", info, _BYTES_ACKED)
        (behind,) = struct.unpack_from("=I", info, _BYTES_NOT_SENT)
    except (OSError, struct.error):
        return None
    return int(acked) if segments or behind else None
