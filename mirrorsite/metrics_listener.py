"""An address of its own for the metrics: apart from the clients' threads, TLS and paths.

The parent opens the socket before it forks; each worker answers on it, so that one that dies takes
no scrape with it. A few threads do nothing else, so a mirror whose threads are all taken can still
be looked at. Each connection carries one request, within a few seconds.
"""

from __future__ import annotations

import io
import logging
import socket
import threading
import time
from http import HTTPStatus
from http.client import HTTPException, parse_headers

from cache import metrics
from cache.config import Metrics, listener

log = logging.getLogger(__name__)

#: In each worker: scrapes are few, and a slow reader occupies one of them for no longer than this.
_THREADS = 2
_PATIENCE = 5.0
_LARGEST_HEAD = 16 * 1024

#: After a failure of accept(2), such as no file descriptor left (seconds).
_TRY_AGAIN = 0.5

_socket: socket.socket | None = None


def open_socket(wanted: Metrics) -> None:
    """Listen where metrics are to be read, if that is an address of its own; in the parent.

    Raises :class:`cache.config.listener.CannotListen`.
    """
    global _socket  # noqa: PLW0603 - the process has one, set here only
    if wanted.enabled and wanted.addr is not None and _socket is None:
        _socket = listener.listen(listener.binding(wanted.addr), "http.debug.addr")


def start(wanted: Metrics) -> None:
    """Answer on it, in a worker."""
    if _socket is None:
        return
    for number in range(_THREADS):
        threading.Thread(
            target=_keep_answering, args=(_socket, wanted), name=f"metrics-{number}", daemon=True
        ).start()


def _keep_answering(listening: socket.socket, wanted: Metrics) -> None:
    while True:
        try:
            connection, _ = listening.accept()
        except OSError as error:
            log.debug("No scrape can be accepted: %s", error)
            time.sleep(_TRY_AGAIN)
            continue
        with connection:
            try:
                _answer(connection, wanted)
            except OSError as error:
                log.debug("A scrape broke off: %s", error)
            except Exception:
                log.exception("A scrape failed")


def _answer(connection: socket.socket, wanted: Metrics) -> None:
    head = _read_head(connection)
    if head is None:
        return
    status, headers, body = _respond(head, wanted)
    lines = [
        f"HTTP/1.1 {status.value} {status.phrase}",
        *(f"{name}: {value}" for name, value in headers.items()),
        f"Content-Length: {len(body)}",
        "Cache-Control: no-store",
        "Connection: close",
    ]
    answer = "\r\n".join((*lines, "", "")).encode("latin-1")
    connection.settimeout(_PATIENCE)
    connection.sendall(answer if head.startswith(b"HEAD ") else answer + body)
    connection.shutdown(socket.SHUT_WR)


def _read_head(connection: socket.socket) -> bytes | None:
    """The request up to its empty line; None if it is too long, or too long in coming."""
    deadline = time.monotonic() + _PATIENCE
    head = b""
    while b"\r\n\r\n" not in head:
        left = deadline - time.monotonic()
        if left <= 0 or len(head) > _LARGEST_HEAD:
            return None
        connection.settimeout(left)
        piece = connection.recv(4096)
        if not piece:
            return None
        head += piece
    return head


def _respond(head: bytes, wanted: Metrics) -> tuple[HTTPStatus, dict[str, str], bytes]:
    line, _, rest = head.partition(b"\r\n")
    words = line.decode("latin-1").split(" ")
    try:
        headers = parse_headers(io.BytesIO(rest))
    except (HTTPException, ValueError):
        return _plain(HTTPStatus.BAD_REQUEST)
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        return _plain(HTTPStatus.BAD_REQUEST)
    if words[1].partition("?")[0] != wanted.path:
        return _plain(HTTPStatus.NOT_FOUND)
    if words[0] not in ("GET", "HEAD"):
        return _plain(HTTPStatus.METHOD_NOT_ALLOWED, Allow="GET, HEAD")
    if not metrics.is_admitted(headers.get("Authorization"), wanted.token):
        realm = {"WWW-Authenticate": 'Bearer realm="metrics"'}
        return _plain(HTTPStatus.UNAUTHORIZED, **realm)
    return HTTPStatus.OK, {"Content-Type": metrics.CONTENT_TYPE}, metrics.exposition()


def _plain(status: HTTPStatus, **headers: str) -> tuple[HTTPStatus, dict[str, str], bytes]:
    body = f"{status.value} {status.phrase}\n".encode()
    return status, {"Content-Type": "text/plain", **headers}, body
