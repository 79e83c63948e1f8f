"""gunicorn's threaded worker, which answers in the registry protocol and outlasts bad clients.

What is about clients that are slow or gone stands in :mod:`mirrorsite.connections`.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import selectors
import signal
import socket
import ssl
import threading
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from gunicorn.http import errors
from gunicorn.http.body import LengthReader

from cache import request
from cache.oci.errors import RegistryError, quote
from mirrorsite import reloading, tls
from mirrorsite import settings as project
from mirrorsite.answering import AnsweringWorker, tell_refused
from mirrorsite.connections import Connection, Watch
from mirrorsite.request_log import RequestLog
from mirrorsite.settings import MIRROR

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


def response(refused: RegistryError, name: str) -> bytes:
    """A whole HTTP/1.1 answer to the request of that name, after which the connection ends."""
    body = refused.envelope()
    head = (
        f"HTTP/1.1 {refused.status} {HTTPStatus(refused.status).phrase}\r\n"
        "Content-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n"
        "Docker-Distribution-Api-Version: registry/2.0\r\n"
        f"{request.HEADER}: {name}\r\n"
        "Connection: close\r\n"
        "\r\n"
    )
    return head.encode("ascii") + body


# What the kernel says of a connection that the client has ended, or that cannot be kept up (tcp(7),
# icmp(7)): no news for the operator.
_CLIENT_GONE = frozenset(
    {
        errno.EPIPE,
        errno.ECONNRESET,
        errno.ECONNABORTED,
        errno.ENOTCONN,
        errno.ETIMEDOUT,
        errno.EHOSTUNREACH,
        errno.ENETUNREACH,
        errno.EHOSTDOWN,
        errno.ENETDOWN,
    }
)

# gunicorn goes through three functions for each setting, and asks for these at each request.
_LOOKED_UP = (
    "casefold_http_method",
    "certfile",
    "forwarded_allow_ips",
    "forwarder_headers",
    "header_map",
    "http_parser",
    "keepalive",
    "keyfile",
    "limit_request_field_size",
    "limit_request_fields",
    "limit_request_line",
    "permit_unconventional_http_method",
    "permit_unconventional_http_version",
    "permit_obsolete_folding",
    "post_request",
    "pre_request",
    "protocol",
    "proxy_protocol",
    "secure_scheme_headers",
    "sendfile",
    "strip_header_spaces",
    "threads",
    "workers",
)

# The signals with which a terminal, a supervisor or the parent stops a worker.
STOPS = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGQUIT})

# Besides them, what a worker must not lose before it can handle it.
HELD_BACK = STOPS | {signal.SIGHUP}


def _has_no_body(req: Any) -> bool:
    """Whether all of the request has been read with its head."""
    reader = req.body.reader
    return isinstance(reader, LengthReader) and reader.length == 0


class Worker(AnsweringWorker):
    """ThreadWorker with the protocol's errors in place of HTML pages, and a quicker end.

    Its main thread never waits for a client, and its other threads never do for long.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._watch = Watch(MIRROR.http.idle_timeout)
        self.region: int | None = None
        """Where it counts what it does, see :mod:`cache.meters`."""
        self._accepts = True
        self._handled: set[Connection] = set()
        self.request_log = RequestLog(project.MIRROR.log)

    @property
    def at_work(self) -> int:
        """How many threads wait for a client, or answer one."""
        return len(self._watch)

    def init_process(self) -> None:
        self.settle()
        super().init_process()

    def settle(self) -> None:
        """Have the settings that each request looks up be plain attributes, found at once."""
        self.cfg.__dict__.update({name: getattr(self.cfg, name) for name in _LOOKED_UP})

    def accept(self, listener: socket.socket) -> None:
        """Take a connection in. It waits for its first request as it would for the next one."""
        try:
            sock, client = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError as error:
            self._cannot_accept(error)
            return
        self._accepts = True
        self.nr_conns += 1
        conn = Connection(self.cfg, sock, client, listener.getsockname())
        conn.set_timeout()
        self.keepalived_conns.append(conn)
        readable = functools.partial(self.on_client_socket_readable, conn)
        self.poller.register(sock, selectors.EVENT_READ, readable)

    def _cannot_accept(self, error: OSError) -> None:
        """Let those who are connected go on, whatever accept(2) says, and try again."""
        if self._accepts:
            self.log.error("no connection can be accepted: %s", error.strerror)
        self._accepts = False
        # Until a file is closed, the listener stays ready and the loop would spin.
        time.sleep(0.05)

    def murder_keepalived(self, force: bool = False) -> None:
        """What the main loop does at each turn: close what has waited too long."""
        super().murder_keepalived(force)
        tls.look()
        for conn, late in self._watch.drop():
            limit = self._watch.limit
            self.log.info("dropped the client %s: in %g s %s", conn, limit, late.value)

    def handle(self, conn: Connection) -> bool:
        """Answer requests, in a thread; whether the connection may carry another one later.

        A request that follows at once is answered by the same thread: to hand the connection back
        to the main thread, and to be handed it again, takes longer than to answer from memory.
        """
        self._handled.add(conn)
        try:
            while self._answer(conn):
                if not self._follows_at_once(conn):
                    return True
        finally:
            self._handled.discard(conn)
        # Here, and not in the main thread, which would wait for the client to close, too.
        conn.close(graceful=True)
        return False

    def _follows_at_once(self, conn: Connection) -> bool:
        """Whether the next request begins to arrive, unless somebody else waits for a thread."""
        # What is queued has a thread coming as long as not all of them are with a client. The pool
        # tells what is queued in no other way.
        is_free = len(self._handled) < self.cfg.threads or self.tpool._work_queue.empty()  # noqa: SLF001
        return self.alive and is_free and conn.has_more()

    def _answer(self, conn: Connection) -> bool:
        req = None
        self._watch.request(conn)
        try:
            if conn.sock.gettimeout() is not None:
                conn.sock.setblocking(True)
            conn.init()
            conn.parser.unreader.patience = None
            req = next(conn.parser)
            conn.parser.unreader.patience = self._watch.limit
            self._watch.answer(conn)
            return self._keepalive_after(conn, self.handle_request(req, conn))
        except (errors.NoMoreData, StopIteration, ssl.SSLEOFError):
            pass
        except OSError as error:
            if isinstance(error, ssl.SSLError):
                self.handle_error(req, conn.sock, conn.client, error)
            elif error.errno not in _CLIENT_GONE:
                # An answer that has begun: there is nothing to be said to the client any more.
                self.log.error("an answer broke off", exc_info=error)
        except Exception as error:  # noqa: BLE001 - the parser's refusals, and our defects
            self.handle_error(req, conn.sock, conn.client, error)
        finally:
            self._watch.end(conn)
            request.begin(None)
        return False

    def _keepalive_after(self, conn: Connection, keepalive: bool) -> bool:
        """Whether the next request can be found, behind a body that nobody has read.

        If not, nothing is said of it: a proxy would take a second answer for another request's.
        """
        if keepalive and _has_no_body(conn.parser.mesg):
            # There is nothing to be passed over, which costs gunicorn four system calls to see.
            conn.parser.mesg = None
            return True
        try:
            return bool(super()._keepalive_after(conn, keepalive))
        except errors.ParseException:
            return False

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
        name = tell_refused(addr, refused)
        # The client may be gone.
        with contextlib.suppress(OSError):
            send(response(refused, name))

    def init_signals(self) -> None:
        super().init_signals()
        signal.signal(signal.SIGHUP, self.handle_hup)
        # Held back since the fork, see `pre_fork` in gunicorn_conf.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD_BACK)

    def handle_hup(self, _sig: int, _frame: FrameType | None) -> None:
        """Read the configuration again, in a thread: the main one does not wait for a disk."""
        self.method_queue.defer(self._read_again)

    def _read_again(self) -> None:
        threading.Thread(
            target=reloading.in_worker, args=(self.request_log,), name="reload", daemon=True
        ).start()

    def handle_quit(self, sig: int, frame: FrameType | None) -> None:
        """Stop at once. Ctrl-C reaches a worker twice: from the terminal and from its parent."""
        # Not SIG_IGN: Python would complain of a signal that has arrived but is not handled yet.
        signal.signal(signal.SIGINT, lambda *_: None)
        signal.signal(signal.SIGQUIT, lambda *_: None)
        super().handle_quit(sig, frame)
