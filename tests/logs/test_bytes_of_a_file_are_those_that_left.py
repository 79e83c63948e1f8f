"""What is said of an answer from a part file that the kernel sends, or does not."""

from __future__ import annotations

import errno
import os
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest
from gunicorn.config import Config

from cache.api.bodies import BlobBody, BlobResponse, Piece
from cache.pull import Body, Span
from mirrorsite.answering import Answer

# Django tells of each answer's end, and whoever hears of it looks after the database.
pytestmark = pytest.mark.django_db

SIZE = 1_000_000


@dataclass
class InOnePiece(Body):
    """All that stands in a file."""

    part: Path
    size: int

    def __iter__(self) -> Iterator[bytes]:
        return iter(())

    def pieces(self) -> Iterator[Piece]:
        with self.part.open("rb") as file:
            yield Span(file.fileno(), 0, self.size)

    def close(self) -> None:
        pass


@dataclass
class Sent:
    """An answer with the bytes of `part`, and what came of it."""

    part: Path
    answer: Answer
    server: socket.socket
    client: socket.socket
    size: int = SIZE
    counted: list[int] = field(default_factory=list)

    def go(self) -> bytes:
        """Send it; what came to the client. Raises what sending does."""
        length = {"Content-Length": str(self.size)}
        whole = BlobBody(InOnePiece(self.part, self.size), self.size, self.counted.append)
        body = BlobResponse(whole, "a/b", 200, length)
        self.answer.start_response("200 OK", list(body.headers.items()))
        came = bytearray()
        reader = threading.Thread(target=_read_into, args=(came, self.client))
        reader.start()
        try:
            self.answer.write_body(body)
        finally:
            self.server.shutdown(socket.SHUT_WR)
            reader.join()
            body.close()
        return bytes(came).partition(b"\r\n\r\n")[2]


@pytest.fixture
def sent(tmp_path: Path) -> Iterator[Sent]:
    (tmp_path / "part").write_bytes(os.urandom(SIZE))
    request = SimpleNamespace(method="GET", version=(1, 1), should_close=lambda: True)
    server, client = socket.socketpair()
    with server, client:
        yield Sent(tmp_path / "part", Answer(request, server, Config()), server, client)


def test_a_file_system_that_has_no_sendfile(sent: Sent, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: int) -> int:
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(os, "sendfile", refuse)

    assert sent.go() == sent.part.read_bytes()
    assert sent.answer.left == SIZE
    assert sent.counted == [SIZE]


def test_a_file_that_was_cut_is_not_the_clients_fault(sent: Sent) -> None:
    os.truncate(sent.part, SIZE // 2)

    with pytest.raises(OSError, match="was cut"):
        sent.go()

    assert not sent.answer.is_client_gone
    assert sent.answer.left == SIZE // 2
    assert sent.counted == [SIZE // 2]


def test_what_is_small_and_was_cut_is_begun_and_broken_off(sent: Sent) -> None:
    sent.size = 1000
    os.truncate(sent.part, 999)

    with pytest.raises(OSError, match="was cut"):
        sent.go()

    assert sent.answer.headers_sent, "an answer that has begun is told of in the log"
    assert not sent.answer.is_client_gone
    assert sent.counted == [999]


def test_what_is_small_leaves_with_its_head(sent: Sent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sendfile", lambda *_args: pytest.fail("a second system call"))
    sent.size = 1000

    assert sent.go() == sent.part.read_bytes()[:1000]
    assert sent.counted == [1000]


def test_a_client_that_takes_nothing_is_not_counted_with_a_piece(sent: Sent) -> None:
    sent.client.shutdown(socket.SHUT_RD)

    with pytest.raises(BrokenPipeError):
        sent.go()

    assert sent.answer.is_client_gone
    assert sent.counted == [0]


def _read_into(came: bytearray, client: socket.socket) -> None:
    while data := client.recv(1024 * 1024):
        came += data
