"""Clients that misbehave: raw connections to the mirror, and what the mirror makes of them."""

from __future__ import annotations

import contextlib
import ctypes
import random
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from cache.oci.digest import Digest
from tests.e2e.mirror import Mirror
from tests.e2e.processes import eventually, scratch
from tests.fakes.upstream import FakeUpstream

if TYPE_CHECKING:
    from types import TracebackType

PATIENCE = 30.0
SMALL_WINDOW = 4096
"""Bytes of the client's receive buffer where the mirror is to notice soon that nothing is read."""

SO_ATTACH_FILTER = 26
BPF_RETURN = 0x06


class Client:
    """One connection; the request's bytes and when the answer is read are the test's."""

    def __init__(self, mirror: Mirror, window: int | None = None) -> None:
        host, _, port = mirror.address.partition(":")
        self.socket = socket.socket()
        self.socket.settimeout(PATIENCE)
        try:
            if window is not None:
                # Before connecting: the window's scale is fixed then.
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
            self.socket.connect((host, int(port)))
        except BaseException:
            self.socket.close()
            raise
        self.port: int = self.socket.getsockname()[1]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.socket.close()

    def say(self, data: bytes) -> None:
        self.socket.sendall(data)

    def ask(self, path: str, *headers: str) -> None:
        """Send a whole GET; the connection is kept alive."""
        self.say("\r\n".join((f"GET {path} HTTP/1.1", "Host: m", *headers, "", "")).encode())

    def head(self) -> bytes:
        """The answer's status line and headers, and nothing of its body."""
        read = b""
        while not read.endswith(b"\r\n\r\n"):
            byte = self.socket.recv(1)
            assert byte, f"it ended after {read!r}"
            read += byte
        return read

    def rest(self) -> bytes:
        """All until the mirror ends the connection, in whatever way."""
        pieces = []
        with contextlib.suppress(ConnectionError):
            while piece := self.socket.recv(1024 * 1024):
                pieces.append(piece)
        return b"".join(pieces)

    def reset(self) -> None:
        """Go with a TCP reset, as a process that is killed with unread bytes does."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def vanish(self) -> None:
        """Hear nothing any more and so answer nothing, as a machine whose cable is cut.

        A filter lets no packet in; the rest of the connection's life happens on one side only.
        """
        program = ctypes.create_string_buffer(struct.pack("HBBI", BPF_RETURN, 0, 0, 0))
        pointer = struct.pack("HL", 1, ctypes.addressof(program))
        self.socket.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, pointer)


@dataclass(frozen=True, slots=True)
class Scene:
    """A mirror and the upstream behind it."""

    mirror: Mirror
    upstream: FakeUpstream

    def blob(self, name: str, size: int) -> tuple[str, bytes]:
        """A blob that upstream has: where to ask the mirror for it, and its bytes."""
        data = random.Random(name).randbytes(size)
        return f"/v2/{name}/blobs/{self.upstream.add_blob(name, data)}", data

    def held_blob(self, name: str, size: int) -> tuple[str, bytes]:
        """The same, held by the mirror already."""
        path, data = self.blob(name, size)
        assert pull(self.mirror, path) == data
        file = Digest.of(data).hex
        eventually(lambda: any(self.mirror.root.glob(f"blobs/*/*/{file}")), "the blob is held")
        return path, data


@contextmanager
def scene(**environ: str) -> Iterator[Scene]:
    """A mirror with these variables in its environment, which holds nothing yet."""
    with (
        FakeUpstream() as upstream,
        scratch("faults") as home,
        Mirror(home / "data", upstream.url, **environ) as mirror,
    ):
        yield Scene(mirror, upstream)


def pull(mirror: Mirror, path: str) -> bytes:
    """The body of an ordinary client's GET."""
    with Client(mirror) as client:
        client.ask(path, "Connection: close")
        head, _, body = client.rest().partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 "), head
    return body


def whole_log(mirror: Mirror) -> str:
    """All that the mirror has written."""
    return (mirror.root.parent / "mirror.log").read_text(errors="replace")


def dropped(mirror: Mirror, client: Client) -> list[str]:
    """The log's lines that say that this client was dropped."""
    address = f"127.0.0.1:{client.port}"
    lines = whole_log(mirror).splitlines()
    return [line for line in lines if "dropped the client" in line and f"{address}:" in line]


def content_files(mirror: Mirror) -> set[str]:
    """The blobs and parts that the workers have open now."""
    found = set()
    for pid in mirror.workers():
        for handle in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):
                found.add(str(handle.readlink()))
    folders = (str(mirror.root / "blobs"), str(mirror.root / "parts"))
    return {path for path in found if path.startswith(folders)}


def wait_until_nobody_reads(mirror: Mirror) -> None:
    """Return when each reader has left its fill or blob, which closes the files."""
    eventually(lambda: not content_files(mirror), "every reader has left")


def assert_calm(mirror: Mirror) -> None:
    """The log holds nothing that an operator would have to look at."""
    log = whole_log(mirror)
    assert "Traceback" not in log
    assert "level=error" not in log, log[-4000:]
