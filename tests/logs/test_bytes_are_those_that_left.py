"""`bytes` is what left, also of an answer that was broken off; `cut` says by whom."""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import Any

import pytest

from mirrorsite.answering import Answer
from tests.fakes.faults import Fault, Gate
from tests.faults.clients import SMALL_WINDOW, Client, Scene, scene
from tests.logs.conftest import access_line

SIZE = 64 * 1024 * 1024

#: What the kernels of both sides take beyond what the client has read.
BUFFERS = 12 * 1024 * 1024


@pytest.fixture(scope="module")
def held(house: Scene) -> str:
    return house.held_blob("library/big", SIZE)[0]


def leave_in_the_middle(house: Scene, path: str, name: str, count: int) -> dict[str, Any]:
    """Take so many bytes of the answer's body, go, and see what is said of it."""
    with Client(house.mirror, SMALL_WINDOW) as client:
        client.ask(path, f"X-Request-Id: {name}")
        client.head()
        while count > 0:
            count -= len(client.socket.recv(min(count, 65536)))
        client.reset()
    return access_line(house.mirror, name)


def test_of_a_file_whose_client_goes(house: Scene, held: str) -> None:
    line = leave_in_the_middle(house, held, "gone-1", 1_000_000)

    assert 1_000_000 <= int(line["bytes"]) < 1_000_000 + BUFFERS
    assert (line["status"], line["cut"], line["msg"]) == (200, "client", "response broken off")
    assert line["level"] == "info"


def test_of_a_fill_whose_client_goes(house: Scene) -> None:
    path, _ = house.blob("library/arriving", SIZE)
    stall = Gate()
    house.upstream.misbehave(Fault(stall=stall, stall_at=SIZE // 2), path="library/arriving")
    with Client(house.mirror, SMALL_WINDOW) as client:
        client.ask(path, "X-Request-Id: gone-2")
        client.head()
        taken = 0
        while taken < 1_000_000:
            taken += len(client.socket.recv(65536))
        client.reset()
    wait = access_line(house.mirror, "gone-2")
    house.upstream.behave()

    assert taken <= wait["bytes"] < taken + BUFFERS
    assert (wait["status"], wait["cut"]) == (200, "client")


def test_of_one_piece_of_which_a_part_is_taken() -> None:
    ours, client = socket.socketpair()
    answer = Answer(None, ours, None)
    answer.headers_sent = True

    with ours, client:
        ours.settimeout(0.5)  # in place of a client that goes
        with pytest.raises(TimeoutError):
            answer.write(bytes(SIZE))
        client.setblocking(False)
        came = 0
        with suppress(BlockingIOError):
            while piece := client.recv(1024 * 1024):
                came += len(piece)

    assert answer.is_client_gone
    assert answer.left == came > 0


def test_of_a_transfer_that_upstream_breaks_off(house: Scene) -> None:
    path, data = house.blob("library/broken", 4_000_000)
    house.upstream.misbehave(Fault(cut_after=2_000_000), path="library/broken", times=1)
    house.upstream.misbehave(Fault(status=404), path="library/broken")
    with Client(house.mirror) as client:
        client.ask(path, "X-Request-Id: broken-off")
        client.head()
        came = client.rest()
    house.upstream.behave()

    line = access_line(house.mirror, "broken-off")
    assert line["bytes"] >= len(came) > 0
    assert line["bytes"] < len(data)
    assert (line["status"], line["cut"]) == (200, "mirror")


def test_of_a_client_that_is_dropped() -> None:
    with scene(REGISTRY_LOG_FORMATTER="json", REGISTRY_HTTP_IDLE_TIMEOUT="1s") as strict:
        path, _ = strict.held_blob("library/big", SIZE)
        with Client(strict.mirror, SMALL_WINDOW) as client:
            client.ask(path, "X-Request-Id: silent")
            line = access_line(strict.mirror, "silent")

    assert (line["cut"], line["status"]) == ("client", 200)
    assert line["bytes"] < BUFFERS


def test_of_what_a_stop_cuts() -> None:
    with scene(REGISTRY_LOG_FORMATTER="json", REGISTRY_HTTP_DRAINTIMEOUT="1s") as ending:
        path, _ = ending.held_blob("library/big", SIZE)
        with Client(ending.mirror, SMALL_WINDOW) as client:
            client.ask(path, "X-Request-Id: stopped")
            client.head()
            ending.mirror.stop()

        line = access_line(ending.mirror, "stopped")
        assert (line["cut"], line["status"]) == ("mirror", 200)
        assert 0 < line["bytes"] < SIZE
