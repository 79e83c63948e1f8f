"""A client may hang up at any point, politely or not: nobody else feels it, the log is calm."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.fakes.faults import Fault, Gate
from tests.faults.clients import (
    Client,
    Scene,
    assert_calm,
    pull,
    scene,
    wait_until_nobody_reads,
)

MIB = 1024 * 1024
SIZE = 8 * MIB
HALF_A_HEAD = b"GET /v2/ HTTP/1.1\r\nHost"


@pytest.fixture(scope="module")
def usual() -> Iterator[Scene]:
    with scene() as found:
        yield found


def _silent(client: Client, path: str) -> None:
    """Say nothing at all."""


def _half_asked(client: Client, path: str) -> None:
    client.say(HALF_A_HEAD)


def _asked(client: Client, path: str) -> None:
    client.ask(path)


def _answered(client: Client, path: str) -> None:
    client.ask(path)
    client.head()


def _in_the_body(client: Client, path: str) -> None:
    client.ask(path)
    client.head()
    client.socket.recv(1000)


def _in_a_range(client: Client, path: str) -> None:
    client.ask(path, "Range: bytes=65536-")
    assert client.head().startswith(b"HTTP/1.1 206 ")
    client.socket.recv(1000)


def _in_the_next_request(client: Client, path: str) -> None:
    client.ask(path)
    client.head()
    client.say(HALF_A_HEAD)


POINTS = [
    _silent,
    _half_asked,
    _asked,
    _answered,
    _in_the_body,
    _in_a_range,
    _in_the_next_request,
]


@pytest.mark.parametrize("kind", ["held", "arriving"])
@pytest.mark.parametrize("leave", ["close", "reset"])
def test_at_every_point(usual: Scene, kind: str, leave: str) -> None:
    name = f"{kind}-{leave}"
    path, data = (usual.held_blob if kind == "held" else usual.blob)(name, SIZE)
    workers = usual.mirror.workers()
    gate = Gate()
    usual.upstream.misbehave(Fault(stall=gate, stall_at=SIZE - MIB), path=f"/{name}/blobs")
    with ThreadPoolExecutor(1) as pool:
        stayer = pool.submit(pull, usual.mirror, path)
        if kind == "arriving":
            gate.wait_until_reached()
        for point in POINTS * 3:
            _come_and_go(usual, path, point, leave)

        gate.open()

        assert stayer.result() == data
    assert usual.upstream.count("GET", f"/{name}/blobs") == 1
    wait_until_nobody_reads(usual.mirror)
    assert usual.mirror.workers() == workers
    assert_calm(usual.mirror)


def test_parallel_ranges_that_are_each_closed_early(usual: Scene) -> None:
    # As containerd does: it asks for all from an offset on, and takes its part of that.
    path, data = usual.blob("parallel", SIZE)
    parts = range(0, SIZE, MIB)
    together = threading.Barrier(len(parts), timeout=30)

    def part(start: int) -> bytes:
        with Client(usual.mirror) as client:
            together.wait()
            client.ask(path, f"Range: bytes={start}-")
            assert client.head().startswith(b"HTTP/1.1 206 ")
            taken = bytearray()
            while len(taken) < MIB:
                piece = client.socket.recv(MIB - len(taken))
                assert piece
                taken += piece
            return bytes(taken)

    with ThreadPoolExecutor(len(parts)) as pool:
        assert b"".join(pool.map(part, parts)) == data
    assert usual.upstream.count("GET", "/parallel/blobs") == 1
    wait_until_nobody_reads(usual.mirror)
    assert_calm(usual.mirror)


def _come_and_go(scene: Scene, path: str, point: Callable[[Client, str], None], leave: str) -> None:
    with Client(scene.mirror) as client:
        point(client, path)
        if leave == "reset":
            client.reset()
