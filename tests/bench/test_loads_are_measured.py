"""What the measuring clients say is what the server did; what is wrong is no measurement."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.load import BARRIER, Asking, Crowd, Failed, Request, rate, wrk_rate
from bench.plan import MIB
from tests.e2e.parts import require
from tests.fakes.faults import Fault
from tests.fakes.upstream import FakeUpstream

pytestmark = pytest.mark.slow

NAME = "some/image"
ONE_SECOND = Asking(4, 1)


@pytest.fixture
def server() -> Iterator[FakeUpstream]:
    with FakeUpstream() as server:
        yield server


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Crowd:
    require("cc")
    return Crowd(tmp_path_factory.mktemp("crowd"))


def address(server: FakeUpstream) -> str:
    return f"127.0.0.1:{server.port}"


def test_a_rate_is_the_answers_in_a_second(server: FakeUpstream) -> None:
    require("wrk")
    server.add_image(NAME, "latest")

    measured = rate(server.url, [f"/v2/{NAME}/manifests/latest"], 100, ONE_SECOND)

    answered = server.count("GET", "/manifests/latest$")
    # Each connection may have an answer under way when the time is over, and begins a bit late.
    assert 0.5 * answered <= measured <= answered
    assert len({request.client for request in server.requests}) == ONE_SECOND.connections


def test_several_paths_are_asked_for_in_turn(server: FakeUpstream) -> None:
    require("wrk")
    tags = [f"t{number}" for number in range(8)]
    for tag in tags:
        server.add_image(NAME, tag)

    rate(server.url, [f"/v2/{NAME}/manifests/{tag}" for tag in tags], 100, ONE_SECOND)

    counts = [server.count("GET", f"/manifests/{tag}$") for tag in tags]
    assert min(counts) > 0.8 * max(counts) - 2


def test_refusals_are_not_a_rate(server: FakeUpstream) -> None:
    require("wrk")
    with pytest.raises(Failed):
        rate(server.url, [f"/v2/{NAME}/manifests/none"], 0, ONE_SECOND)


@pytest.mark.parametrize(
    "said",
    [
        "  Socket errors: connect 0, read 7, write 0, timeout 0\nmeasured 10 9000 1000000\n",
        "measured 10 800 1000000\n",
        "measured 0 0 1000000\n",
        "unable to connect\n",
    ],
    ids=["broken", "too short", "none", "nothing"],
)
def test_what_is_no_rate(said: str) -> None:
    with pytest.raises(Failed):
        wrk_rate(said, 100)
    assert wrk_rate("measured 10 9000 2000000\n", 100) == 5.0


def test_a_crowd_has_it_all(server: FakeUpstream, crowd: Crowd, tmp_path: Path) -> None:
    image = server.add_image(NAME, "latest", (b"x" * 3 * MIB,))
    (layer,) = image.layer_digests
    file = tmp_path / "layer"
    file.write_bytes(b"x" * 3 * MIB)
    wanted = [
        Request(f"/v2/{NAME}/manifests/latest", method="HEAD"),
        BARRIER,
        Request(f"/v2/{NAME}/manifests/{image.digest}"),
        Request(f"/v2/{NAME}/blobs/{layer}", file),
    ]

    pulled = crowd.pull(address(server), wanted, clients=5, parallel=2)

    assert pulled.answers == 15
    assert pulled.bytes == server.body_bytes
    assert pulled.begun == 10
    assert 0 < pulled.first_byte <= pulled.slowest_first_byte <= pulled.seconds
    assert server.count("HEAD", "") == 5


def test_a_client_waits_at_a_barrier(server: FakeUpstream, crowd: Crowd) -> None:
    digest = server.add_image(NAME, "latest").digest
    tag = Request(f"/v2/{NAME}/manifests/latest", method="HEAD")

    crowd.pull(
        address(server), [tag, BARRIER, Request(f"/v2/{NAME}/manifests/{digest}")], parallel=2
    )

    assert [request.method for request in server.requests] == ["HEAD", "GET"]


@pytest.mark.parametrize("drop", [False, True], ids=["read", "dropped"])
def test_a_short_body_is_a_failure(server: FakeUpstream, crowd: Crowd, drop: bool) -> None:
    digest = server.add_blob(NAME, b"x" * 3 * MIB)
    server.misbehave(Fault(cut_after=MIB), path="/blobs/")

    with pytest.raises(Failed, match="broke off"):
        crowd.pull(address(server), [Request(f"/v2/{NAME}/blobs/{digest}")], drop=drop)


def test_wrong_bytes_are_a_failure(server: FakeUpstream, crowd: Crowd, tmp_path: Path) -> None:
    digest = server.add_blob(NAME, b"x" * MIB)
    file = tmp_path / "layer"
    file.write_bytes(b"x" * (MIB - 1) + b"y")

    with pytest.raises(Failed, match="wrong bytes"):
        crowd.pull(address(server), [Request(f"/v2/{NAME}/blobs/{digest}", file)])


def test_a_refusal_is_a_failure(server: FakeUpstream, crowd: Crowd) -> None:
    with pytest.raises(Failed, match="404"):
        crowd.pull(address(server), [Request(f"/v2/{NAME}/manifests/none")])


def test_slow_clients_are_slow(server: FakeUpstream, crowd: Crowd) -> None:
    digest = server.add_blob(NAME, b"x" * 8 * MIB)

    pulled = crowd.pull(
        address(server),
        [Request(f"/v2/{NAME}/blobs/{digest}")],
        clients=3,
        rate=100_000,
        seconds=1,
    )

    assert pulled.begun == 3
    assert pulled.answers == 0
    # A first piece, and what may come until it is over.
    assert pulled.bytes < 3 * (256 * 1024 + 200_000)
