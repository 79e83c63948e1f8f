"""gunicorn's threaded worker, speaking the registry protocol even where no request was read."""

from __future__ import annotations

import contextlib
import functools
import signal
import socket
import ssl
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from gunicorn.http import errors
from gunicorn.workers.gthread import ThreadWorker

from cache.oci.errors import RegistryError, quote

if TYPE_CHECKING:
    from types import FrameType

_STATUSES: tuple[tuple[type[Exception], HTTPStatus], ...] = (
    (errors.LimitRequestLine, HTTPStatus.REQUEST_URI_TOO_LONG),
    (errors.LimitRequestHeaders, HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE),
    (errors.ExpectationFailed, HTTPStatus.EXPECTATION_FAILED),
    (errors.UnsupportedTransferCoding, HTTPStatus.NOT_IMPLEMENTED),
    (errors.ForbiddenProxyRequest, HTTPStatus.FORBIDDEN),
)
_MESSAGES = {
    HTTPStatus.REQUEST_URI_TOO_LONG: "the request line is too long",
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: "the request's headers are too large",
    HTTPStatus.EXPECTATION_FAILED: "the Expect header asks for something unknown",
    HTTPStatus.NOT_IMPLEMENTED: "the transfer coding is not supported",
    HTTPStatus.FORBIDDEN: "requests from this proxy are not taken",
}
_CODES = {HTTPStatus.FORBIDDEN: "DENIED", HTTPStatus.REQUEST_URI_TOO_LONG: "NAME_INVALID"}


def refusal(error: Exception) -> RegistryError:
    """What to answer to bytes that the parser refused with `error`."""
    for kind, status in _STATUSES:
        if isinstance(error, kind):
            return RegistryError(
                _CODES.get(status, "UNSUPPORTED"), _MESSAGES[status], status=status
            )
    message = "the request is not valid HTTP/1.1"
    return RegistryError("UNSUPPORTED", message, status=HTTPStatus.BAD_REQUEST)


def is_ours(error: Exception) -> bool:
    """Whether it is a header of our own answer that gunicorn refuses."""
    return isinstance(error, errors.InvalidResponseHeader | errors.InvalidResponseHeaderName)


def response(refused: RegistryError) -> bytes:
    """A whole HTTP/1.1 answer, after which the connection ends."""
    body = refused.envelope()
    head = (
        f"HTTP/1.1 {refused.status} {HTTPStatus(refused.status).phrase}\r\n"
        "Content-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n"
        "Docker-Distribution-Api-Version: registry/2.0\r\n"
        "Connection: close\r\n"
        "\r\n"
    )
    return head.encode("ascii") + body


# The signals with which a terminal, a supervisor or the parent stops a worker.
STOPS = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGQUIT})


class Worker(ThreadWorker):  # type: ignore[misc]  # gunicorn carries no types
    """ThreadWorker with the protocol's errors in place of HTML pages, and a quicker end."""

    def handle_error(
        self,
        req: Any,
        client: socket.socket,
        addr: Any,
        exc: Exception,
    ) -> None:
        """Answer what never became a request, or a request whose answer failed outside Django."""
        send = client.sendall
        if isinstance(exc, ssl.SSLError):
            if exc.reason != "HTTP_REQUEST":
                return  # TLS has told the client itself
            refused = RegistryError("UNSUPPORTED", "this port speaks https", status=400)
            # There is no TLS to speak through: past the wrapper, on the socket below it.
            send = functools.partial(socket.socket.sendall, client)
        elif req is None or (isinstance(exc, errors.ParseException) and not is_ours(exc)):
            self.log.debug("refused a request from %s: %s", addr, quote(str(exc)))
            refused = refusal(exc)
        else:
            self.log.error("a request failed outside the application", exc_info=exc)
            refused = RegistryError("UNKNOWN")
        # The client may be gone.
        with contextlib.suppress(OSError):
            send(response(refused))

    def init_signals(self) -> None:
        super().init_signals()
        # Held back since the fork, see `pre_fork` in gunicorn_conf.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)

    def handle_quit(self, sig: int, frame: FrameType | None) -> None:
        """Stop at once. Ctrl-C reaches a worker twice: from the terminal and from its parent."""
        # Not SIG_IGN: Python would complain of a signal that has arrived but is not handled yet.
        signal.signal(signal.SIGINT, lambda *_: None)
        signal.signal(signal.SIGQUIT, lambda *_: None)
        super().handle_quit(sig, frame)
