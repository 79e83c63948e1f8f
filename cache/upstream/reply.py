"""What an upstream answers: its status, its headers, and its body as it arrives."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import httpcore
import httpx

from cache.upstream.connections import READ_AT_ONCE
from cache.upstream.errors import Interrupted, TimedOut, TooLarge, UpstreamError

SMALL_BODY = 64 * 1024
"""Bytes that are read of an answer nobody needs, so that its connection can be used again."""

BULK = 32 * 1024 * 1024
"""Bytes. So much of a body is worth a connection: it is read past the parser, which copies each
byte three times, and which then does not know where the next answer would begin."""

#: A piece of a body, of which a memoryview is worth nothing once the next one is asked for.
Chunk: TypeAlias = bytes | memoryview

#: Bytes of such a body that are read at once: what has been shown of it is ahead of its readers.
_READ_OF_BULK = 1024 * 1024

#: Reads at most so many bytes, waiting for them for so many seconds.
_Read: TypeAlias = Callable[[int, float], Chunk]


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer at the end of the redirects; its body is still to be read.

    `away`: it comes from another origin than the one that was asked. `pace` is told of the bytes
    of each piece of a transfer, and holds the next one back.
    """

    response: httpx.Response
    host: str
    away: bool
    answer_timeout: float
    pace: Callable[[int], None] | None = None

    @property
    def status(self) -> int:
        return self.response.status_code

    def header(self, name: str) -> str | None:
        value = self.response.headers.get(name)
        return value if isinstance(value, str) else None

    def chunks(self) -> Iterator[Chunk]:
        """The body as it arrives, exactly as sent. Raises Interrupted."""
        try:
            for chunk in self._arriving():
                if self.pace is not None:
                    self.pace(len(chunk))
                yield chunk
        except httpx.TimeoutException as error:
            raise Interrupted(f"{self.host} stopped sending in the middle of an answer.") from error
        except (httpx.TransportError, httpx.StreamError) as error:
            raise Interrupted(f"{self.host} broke off in the middle of an answer.") from error

    def _arriving(self) -> Iterator[Chunk]:
        parsed = self.response.iter_raw()
        # With the first piece, the parser has given away all that it had read. An answer to HEAD
        # tells a length, and has none.
        first = next(parsed, None)
        if first is None:
            return
        yield first
        left = self._length() - len(first)
        if left < BULK:
            yield from parsed
            return
        stream = self.response.extensions["network_stream"]
        patience = self.response.request.extensions["timeout"]["read"]
        over_tls = stream.get_extra_info("ssl_object") is not None
        # A piece is paid for before it goes on: of a narrow line it must not be seconds.
        by_little = over_tls or self.pace is not None
        read = _in_little(stream) if by_little else _into_one_place(stream)
        while left:
            piece = _read(read, left, patience)
            left -= len(piece)
            yield piece

    def _length(self) -> int:
        """How many bytes of the body there are, by which the parser finds its end; 0 if not so."""
        by_length = "Transfer-Encoding" not in self.response.headers
        return int(self.response.headers.get("Content-Length", 0)) if by_length else 0

    def read(self, limit: int) -> bytes:
        """The whole body, of at most `limit` bytes. Raises TooLarge, TimedOut, Interrupted."""
        deadline = time.monotonic() + self.answer_timeout
        body = bytearray()
        try:
            for chunk in self.chunks():
                body += chunk
                if len(body) > limit:
                    raise TooLarge(f"{self.host} sent an answer longer than {limit} bytes.")
                if time.monotonic() > deadline:
                    raise TimedOut(f"{self.host} did not send its whole answer in time.")
        except Interrupted as error:
            if isinstance(error.__cause__, httpx.TimeoutException):
                raise TimedOut(f"{self.host} did not send its whole answer in time.") from error
            raise
        return bytes(body)

    def discard(self) -> None:
        """Read the rest if that is little, so that the connection stays usable; then close."""
        try:
            self.read(SMALL_BODY)
        except UpstreamError:
            pass  # nobody wanted it
        finally:
            self.response.close()


def _into_one_place(stream: httpcore.NetworkStream) -> _Read:
    """Reads of plain TCP, each into the place of the one before.

    Memory of such a size that is new for each piece comes from the kernel, page by page.
    """
    sock: socket.socket = stream.get_extra_info("socket")
    place = memoryview(bytearray(_READ_OF_BULK))

    def read(most: int, patience: float) -> Chunk:
        sock.settimeout(patience)
        return place[: sock.recv_into(place, min(most, _READ_OF_BULK))]

    return read


def _in_little(stream: httpcore.NetworkStream) -> _Read:
    """Reads as the parser has them, also of TLS, whose pieces are small."""
    return lambda most, patience: stream.read(min(most, READ_AT_ONCE), timeout=patience)


def _read(read: _Read, most: int, patience: float) -> Chunk:
    """What comes next over a connection that owes us more; raises httpx's errors."""
    try:
        piece = read(most, patience)
    except (TimeoutError, httpcore.TimeoutException) as error:
        raise httpx.ReadTimeout(str(error)) from error
    except (OSError, httpcore.NetworkError) as error:
        raise httpx.ReadError(str(error)) from error
    if not piece:
        raise httpx.RemoteProtocolError("the connection was closed before the body's end")
    return piece
