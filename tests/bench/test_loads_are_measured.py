"""What the measuring clients say is what the server did."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bench.load import Failed, find_wrk, rate, speed, wrk_rate
from bench.plan import MIB
from tests.e2e.parts import require
from tests.fakes.faults import Fault
from tests.fakes.upstream import FakeUpstream

CONNECTIONS = 4


@pytest.fixture
def server() -> Iterator[FakeUpstream]:
    with FakeUpstream() as server:
        yield server


@pytest.mark.parametrize("program", ["wrk", "python"])
def test_a_rate_is_the_answers_in_a_second(server: FakeUpstream, program: str) -> None:
    server.add_image("some/image", "latest")

    measured = rate(f"{server.url}/v2/some/image/manifests/latest", CONNECTIONS, 1, find(program))

    answered = server.count("GET", "/manifests/latest$")
    # Each connection may have an answer under way when the time is over, and begins a bit late.
    assert 0.5 * answered <= measured <= answered
    assert len({request.client for request in server.requests}) == CONNECTIONS


@pytest.mark.parametrize("program", ["wrk", "python"])
def test_refusals_are_not_a_rate(server: FakeUpstream, program: str) -> None:
    with pytest.raises(Failed):
        rate(f"{server.url}/v2/some/image/manifests/none", CONNECTIONS, 1, find(program))


def test_broken_connections_are_not_a_rate() -> None:
    said = "  Socket errors: connect 0, read 7, write 0, timeout 0\nRequests/sec:   1234.50\n"

    with pytest.raises(Failed, match="read 7"):
        wrk_rate(said)
    assert wrk_rate(said.splitlines()[1]) == 1234.5


def test_a_speed_takes_the_whole_blob(server: FakeUpstream) -> None:
    digest = server.add_blob("some/image", b"x" * 3 * MIB)

    assert speed(f"{server.url}/v2/some/image/blobs/{digest}", 3 * MIB) > 0
    assert server.body_bytes == 3 * MIB


def test_a_short_blob_has_no_speed(server: FakeUpstream) -> None:
    digest = server.add_blob("some/image", b"x" * 3 * MIB)
    server.misbehave(Fault(cut_after=MIB), path="/blobs/")

    with pytest.raises(Failed):
        speed(f"{server.url}/v2/some/image/blobs/{digest}", 3 * MIB)


def find(program: str) -> str | None:
    """What `rate` is to measure with."""
    if program == "python":
        return None
    require("wrk")
    return find_wrk()
