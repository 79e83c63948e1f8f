"""However a client spreads the bytes of its request, the whole head arrives in time or never."""

from __future__ import annotations

import contextlib
import select
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.e2e.processes import eventually
from tests.faults.clients import Client, Scene, assert_calm, dropped, pull, scene

IDLE = 1.0
HEAD = b"GET /v2/ HTTP/1.1\r\nHost: m\r\n"


@pytest.fixture(scope="module")
def impatient() -> Iterator[Scene]:
    """A mirror that drops clients soon, with 20 threads in all."""
    with scene(REGISTRY_HTTP_IDLE_TIMEOUT=f"{IDLE}s", MIRROR_THREADS="10") as found:
        yield found


def _drip(client: Client, begin: bytes) -> bytes:
    """Send these bytes and then one now and then, until the mirror ends the connection."""
    with contextlib.suppress(ConnectionError):
        client.say(begin)
        for _ in range(300):  # thirty times the limit
            readable, _, _ = select.select([client.socket], [], [], IDLE / 10)
            if readable:
                return client.rest()
            client.say(b"x")
        pytest.fail("it went on and on")
    return b""


@pytest.mark.parametrize("begin", [b"", b"G", HEAD, HEAD + b"Accept: "])
def test_a_byte_now_and_then_is_no_request(impatient: Scene, begin: bytes) -> None:
    with Client(impatient.mirror) as slow:
        answer = _drip(slow, begin)

        eventually(lambda: bool(dropped(impatient.mirror, slow)), "the log said so")
        assert answer == b""
        (line,) = dropped(impatient.mirror, slow)
        assert "level=info" in line


def test_neither_is_it_after_a_quick_request(impatient: Scene) -> None:
    with Client(impatient.mirror) as slow:
        slow.ask("/v2/")
        assert slow.head().startswith(b"HTTP/1.1 200 ")
        assert slow.socket.recv(2) == b"{}"

        assert _drip(slow, HEAD) == b""


def test_those_who_are_slow_hold_up_the_others_for_the_limit_only(impatient: Scene) -> None:
    path, data = impatient.held_blob("held", 1024)
    with ExitStack() as stack:
        for _ in range(45):  # more than there are threads
            stack.enter_context(Client(impatient.mirror)).say(HEAD)

        assert pull(impatient.mirror, path) == data
    assert_calm(impatient.mirror)


@pytest.mark.parametrize("sent", [b"", b"grant_type="])
def test_a_body_that_does_not_come_holds_no_thread(impatient: Scene, sent: bytes) -> None:
    path, data = impatient.held_blob("held", 1024)
    with ExitStack() as stack:
        slow = [stack.enter_context(Client(impatient.mirror)) for _ in range(45)]
        for client in slow:
            client.say(
                b"POST /v2/token HTTP/1.1\r\nHost: m\r\nContent-Length: 60\r\n"
                b"Content-Type: application/x-www-form-urlencoded\r\n\r\n" + sent
            )

        assert pull(impatient.mirror, path) == data
        assert slow[0].rest().startswith(b"HTTP/1.1 408 ")
    assert_calm(impatient.mirror)
