"""A client that vanishes, or that never ends a connection, costs the mirror nothing for long."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.e2e.processes import eventually
from tests.fakes.faults import Fault, Gate
from tests.faults.clients import (
    Client,
    Scene,
    assert_calm,
    dropped,
    pull,
    scene,
    wait_until_nobody_reads,
)

MIB = 1024 * 1024
SIZE = 24 * MIB


@pytest.fixture(scope="module")
def impatient() -> Iterator[Scene]:
    """A mirror that drops clients and closes idle connections soon."""
    with scene(REGISTRY_HTTP_IDLE_TIMEOUT="1s", GUNICORN_CMD_ARGS="--keep-alive 1") as found:
        yield found


@pytest.mark.parametrize("kind", ["held", "arriving"])
def test_one_who_vanishes_in_a_transfer_is_dropped(impatient: Scene, kind: str) -> None:
    path, _ = (impatient.held_blob if kind == "held" else impatient.blob)(f"cut-{kind}", SIZE)
    with Client(impatient.mirror) as client:
        client.ask(path)
        client.head()
        client.vanish()

        eventually(lambda: bool(dropped(impatient.mirror, client)), "it was dropped")
        wait_until_nobody_reads(impatient.mirror)
    assert_calm(impatient.mirror)


def test_one_who_vanishes_while_upstream_pauses_is_dropped_when_it_goes_on(
    impatient: Scene,
) -> None:
    path, data = impatient.blob("pause", SIZE)
    gate = Gate()
    impatient.upstream.misbehave(Fault(stall=gate, stall_at=MIB), path="/pause/blobs")
    with Client(impatient.mirror) as client:
        client.ask(path)
        client.head()
        gate.wait_until_reached()
        client.vanish()

        gate.open()

        eventually(lambda: bool(dropped(impatient.mirror, client)), "it was dropped")
        wait_until_nobody_reads(impatient.mirror)
    assert pull(impatient.mirror, path) == data
    assert impatient.upstream.count("GET", "/pause/blobs") == 1


def test_one_who_vanishes_between_two_requests_keeps_no_connection(impatient: Scene) -> None:
    with Client(impatient.mirror) as client:
        client.ask("/v2/")
        assert client.head().startswith(b"HTTP/1.1 200 ")
        assert impatient.mirror.worker_of(client.port) is not None
        client.vanish()

        eventually(lambda: impatient.mirror.worker_of(client.port) is None, "it was closed")


def test_those_who_leave_a_finished_connection_open_hold_up_nobody(impatient: Scene) -> None:
    # The mirror waits two seconds for each of them to close its side: not where others wait too.
    with ExitStack() as stack:
        for _ in range(100):
            client = stack.enter_context(Client(impatient.mirror))
            client.say(b"nonsense\r\n\r\n")
            assert client.head().startswith(b"HTTP/1.1 400 ")

        assert pull(impatient.mirror, "/v2/") == b"{}"
    assert_calm(impatient.mirror)
