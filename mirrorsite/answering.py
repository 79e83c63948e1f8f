"""How a worker answers one request, and knows at its end what has left: all, or how much of it."""

from __future__ import annotations

import errno
import functools
import os
import re
import socket
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from gunicorn.http import wsgi
from gunicorn.util import hop_headers, http_date

from cache import request
from cache.api.bodies import BlobBody, BlobResponse
from cache.api.request_ids import REQUEST
from cache.oci.errors import RegistryError
from mirrorsite.stopping import StoppingWorker

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

#: An answer's head and a body of so many bytes leave in one piece. Sending wakes the client up and
#: gives Python's lock away, which costs more than copying these.
_TOGETHER = 64 * 1024

#: Bytes per step where a file cannot leave through sendfile(2).
_STEP = 256 * 1024

#: What a file system says that has no such way to give its bytes, or a sandbox that forbids it.
_NO_SENDFILE = frozenset({errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM})

#: Threads have so long (seconds) to tell what they had sent when the process ends.
_LAST_WORDS = 0.5


#: Headers that gunicorn would take as they are (RFC 9110, 5.1 and 5.5), each as its name, "\n", its
#: value, "\r".
_VALID = re.compile(
    r"(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+\n(?![\t ])[\t\x20-\x7e\x80-\xff]*(?<![\t ])\r)*"
)

#: Of these, gunicorn says what an answer may say of its connection; its length is looked for, too.
_LENGTH = "content-length"
_OWN = frozenset(hop_headers)


class Answer(wsgi.Response):  # type: ignore[misc]  # gunicorn carries no types
    """gunicorn's, which counts the body's bytes as the kernel takes them: `left`.

    `is_client_gone` says that it did not take them all, `is_broken_off` that this was our wish.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.left = 0
        self.is_client_gone = False
        self.is_broken_off = False

    def process_headers(self, headers: Sequence[tuple[str, str]]) -> None:
        """As gunicorn does, which looks at one after the other, at all of them at once."""
        length: int | None = None
        for name, value in headers:
            lower = name.lower()
            if lower == _LENGTH and value.isdecimal():
                length = int(value)
            elif lower == _LENGTH or lower in _OWN:
                super().process_headers(headers)
                return
        text = "".join([f"{name}\n{value}\r" for name, value in headers])
        # What has a line's end in it might look like two.
        if text.count("\n") > len(headers) or not _VALID.fullmatch(text):
            super().process_headers(headers)
            return
        self.response_length = length
        self.headers.extend(headers)

    def default_headers(self) -> list[str]:
        """gunicorn's, which dates each of a second's answers anew."""
        if self.upgrade or self.chunked:
            return list(super().default_headers())
        connection = "close" if self.should_close() else "keep-alive"
        major, minor = self.req.version
        return [
            f"HTTP/{major}.{minor} {self.status}\r\n",
            f"Server: {self.version}\r\n",
            f"Date: {_date(int(time.time()))}\r\n",
            f"Connection: {connection}\r\n",
        ]

    def send_headers(self) -> None:
        if not self.headers_sent:
            self._send_head(b"")

    def write(self, data: bytes) -> None:
        if self.headers_sent or self.chunked or self._omits_body:
            super().write(data)
        elif len(data) <= min(_TOGETHER, self.response_length or 0):
            self.sent += len(data)
            self._send_head(data)
        else:
            self._announce()
            super().write(data)

    def sendfile(self, respiter: Any) -> bool:
        """As gunicorn does with the dashboard's files; an error leaves them where it came to.

        What is small is read instead, and leaves with the head.
        """
        if not self._omits_body:
            if (self.response_length or 0) <= _TOGETHER:
                return False
            self._announce()
        try:
            has_sent = bool(super().sendfile(respiter))
        except OSError as error:
            self.left += respiter.filelike.tell()
            self.is_client_gone = error.errno != errno.EIO
            raise
        if has_sent and not self._omits_body:
            self.left += self.response_length or 0
        return has_sent

    def write_body(self, body: Iterable[bytes]) -> None:
        """Send it: from a file, or as it comes, by the kernel alone where that can be."""
        if isinstance(body, wsgi.FileWrapper):
            self.write_file(body)
        elif isinstance(body, BlobBody | BlobResponse):
            self._write_blob(body if isinstance(body, BlobBody) else body.body)
        else:
            for data in body:
                self.write(data)

    def _write_blob(self, body: BlobBody) -> None:
        try:
            for piece in body.pieces() if self._takes_spans() else body:
                if isinstance(piece, bytes):
                    self.write(piece)
                elif not self.headers_sent and piece.length <= _TOGETHER:
                    data = os.pread(piece.fd, piece.length, piece.offset)
                    self.write(data)
                    if len(data) < piece.length:
                        raise _was_cut()
                else:
                    self._write_span(piece.fd, piece.offset, piece.length)
        finally:
            body.note_sent(self.left)

    def _takes_spans(self) -> bool:
        is_plain = not (self.cfg.is_ssl or self.chunked or self._omits_body)
        return is_plain and self.can_sendfile()

    def _write_span(self, fd: int, offset: int, length: int) -> None:
        self._announce()
        end = offset + length
        while offset < end:
            taken = self._send_from(fd, offset, end - offset)
            if not taken:
                raise _was_cut()
            offset += taken
        self.sent += length

    def _send_from(self, fd: int, offset: int, length: int) -> int:
        """Send some of the file's bytes; how many, 0 if it has no more."""
        try:
            taken = os.sendfile(self.sock.fileno(), fd, offset, length)
        except OSError as error:
            if error.errno not in _NO_SENDFILE:
                self.is_client_gone = error.errno != errno.EIO
                raise
            data = os.pread(fd, min(length, _STEP), offset)
            self._emit_body(data)
            return len(data)
        self.left += taken
        return taken

    def _announce(self) -> None:
        """Send the head with the first bytes of the body, which follow at once."""
        # TLS knows no flags.
        if not self.headers_sent and not self.cfg.is_ssl:
            self._send_head(b"", socket.MSG_MORE)

    def _send_head(self, body: bytes, flags: int = 0) -> None:
        """Send the head, with what there is of the body."""
        lines = self.default_headers()
        lines += [f"{name}: {value}\r\n" for name, value in self.headers]
        head = "".join((*lines, "\r\n")).encode("latin-1")
        try:
            self._send(head + body, flags, head=len(head))
        except OSError:
            self.is_client_gone = True
            raise
        self.headers_sent = True

    def _emit_body(self, data: bytes) -> None:
        try:
            if not self.chunked:
                self._send(data)
                return
            self.sock.sendall(b"%X\r\n" % len(data))
            self._send(data)
            self.sock.sendall(b"\r\n")
        except OSError:
            self.is_client_gone = True
            raise

    def _send(self, data: bytes, flags: int = 0, head: int = 0) -> None:
        """As sendall, which does not tell how far it came; ``head`` bytes are not of the body."""
        view = memoryview(data)
        while view:
            taken = self.sock.send(view, flags)
            self.left += max(0, taken - head)
            head = max(0, head - taken)
            view = view[taken:]


def _was_cut() -> OSError:
    return OSError(errno.EIO, "the blob's file was cut while it was sent")


@functools.lru_cache(maxsize=1)
def _date(_second: int) -> str:
    return str(http_date())


class AnsweringWorker(StoppingWorker):
    """Answers requests, and tells :mod:`cache.request` of the end of each."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._under_way: dict[Answer, tuple[dict[str, Any], float]] = {}

    def handle_request(self, req: Any, conn: Any) -> bool:
        """Answer; whether the connection may carry another request.

        As gunicorn's own, without its hooks and its access log. Raises what broke the answer off;
        if that was our fault and the answer had begun, ``StopIteration``.
        """
        began = time.perf_counter()
        answer, environ = wsgi.create(
            req, conn.sock, conn.client, conn.server, self.cfg, response_class=Answer
        )
        environ["wsgi.multithread"] = True
        self._under_way[answer] = environ, began
        if not self.alive or len(self.keepalived_conns) >= self.max_keepalived:
            answer.force_close()
        try:
            pieces = self.wsgi(environ, answer.start_response)
            try:
                answer.write_body(pieces)
                answer.close()
            finally:
                if hasattr(pieces, "close"):
                    pieces.close()
        except OSError:
            raise
        except Exception:
            if not answer.headers_sent:
                raise
            # Another answer in the middle of this one would be taken for a part of it.
            self.log.exception("an answer broke off")
            raise StopIteration from None
        finally:
            if self._under_way.pop(answer, None) is not None:
                _tell_end(environ, answer, began, broke=sys.exc_info()[0] is not None)
        return not answer.should_close()

    def break_off(self) -> None:
        """The process ends: break off what its threads still send, and have each line written.

        A thread that sends learns of it at once, and knows how far it came. One that waits for an
        upstream does not, and has sent what it has counted.
        """
        for answer in list(self._under_way):
            answer.is_broken_off = True
            # Past TLS, which would say goodbye: the thread is in the middle of using it.
            with suppress(OSError):
                socket.socket.shutdown(answer.sock, socket.SHUT_RDWR)
        deadline = time.monotonic() + _LAST_WORDS
        while self._under_way and time.monotonic() < deadline:
            time.sleep(0.01)
        while self._under_way:
            answer, (environ, began) = self._under_way.popitem()
            _tell_end(environ, answer, began, broke=True)


def _tell_end(environ: dict[str, Any], answer: Answer, began: float, *, broke: bool) -> None:
    asked: request.Request | None = environ.get(REQUEST)
    if asked is None or (broke and not answer.headers_sent and not answer.is_client_gone):
        return  # what is answered in its place is told of then
    asked.status = answer.status_code
    asked.sent = answer.left
    asked.seconds = time.perf_counter() - began
    if broke:
        by_client = answer.is_client_gone and not answer.is_broken_off
        asked.cut = "client" if by_client else "mirror"
    request.ended(asked)


def tell_refused(client: Any, refused: RegistryError) -> str:
    """A request ends that no view has answered: it was none, or failed outside the application.

    ``client`` is the connection's other end. Answers the request's name.
    """
    asked = request.current() or request.Request(request.new_id())
    if not asked.client and isinstance(client, tuple):
        asked.client = str(client[0]).removeprefix("::ffff:")
    asked.status, asked.sent = refused.status, len(refused.envelope())
    asked.error = refused.code
    request.ended(asked)
    return asked.id
