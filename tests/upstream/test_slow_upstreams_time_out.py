from __future__ import annotations

from collections.abc import Iterator

import pytest

from cache.upstream.client import Upstream
from cache.upstream.errors import Busy, Interrupted, TimedOut
from tests.fakes.faults import Fault, Gate
from tests.fakes.upstream import FakeUpstream
from tests.upstream.conftest import Connect
from tests.upstream.names import ALPINE, LATEST

LAYER = b"x" * 100_000


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.open()


@pytest.fixture
def upstream(registry: FakeUpstream, connect: Connect) -> Upstream:
    registry.add_image("library/alpine", "latest")
    return connect(registry, first_byte_timeout=0.2, stall_timeout=0.2, connect_timeout=0.2)


def test_no_answer(registry: FakeUpstream, upstream: Upstream, gate: Gate) -> None:
    registry.misbehave(Fault(hold=gate))

    with pytest.raises(TimedOut, match="did not answer in time") as raised:
        upstream.head_manifest(ALPINE, LATEST)

    assert raised.value.retryable
    assert registry.count() == 1


def test_half_a_manifest(registry: FakeUpstream, upstream: Upstream, gate: Gate) -> None:
    registry.misbehave(Fault(stall=gate, stall_at=10))

    with pytest.raises(TimedOut):
        upstream.get_manifest(ALPINE, LATEST)


def test_a_manifest_that_drips(registry: FakeUpstream, connect: Connect) -> None:
    registry.add_image("library/alpine", "latest")
    registry.misbehave(Fault(bytes_per_second=20))

    with pytest.raises(TimedOut, match="whole answer"):
        connect(registry, answer_timeout=0.3).get_manifest(ALPINE, LATEST)


def test_half_a_blob(registry: FakeUpstream, upstream: Upstream, gate: Gate) -> None:
    digest = registry.add_blob("library/alpine", LAYER)
    registry.misbehave(Fault(stall=gate, stall_at=10_000))

    with upstream.open_blob(ALPINE, digest) as stream:
        received: list[bytes] = []
        with pytest.raises(Interrupted, match="stopped sending"):
            received.extend(map(bytes, stream.chunks))

    assert b"".join(received) == LAYER[:10_000]


def test_bytes_are_handed_on_as_they_arrive(
    registry: FakeUpstream, connect: Connect, gate: Gate
) -> None:
    digest = registry.add_blob("library/alpine", LAYER)
    registry.misbehave(Fault(stall=gate, stall_at=10))

    with connect(registry).open_blob(ALPINE, digest) as stream:
        first = bytes(next(stream.chunks))
        gate.open()
        rest = b"".join(stream.chunks)

    assert (first, first + rest) == (LAYER[:10], LAYER)


def test_a_blob_may_take_longer_than_a_manifest(registry: FakeUpstream, connect: Connect) -> None:
    digest = registry.add_blob("library/alpine", LAYER)
    registry.misbehave(Fault(bytes_per_second=200_000))

    with connect(registry, answer_timeout=0.01).open_blob(ALPINE, digest) as stream:
        assert b"".join(stream.chunks) == LAYER


def test_transfers_that_crawl_keep_no_question_waiting(
    registry: FakeUpstream, connect: Connect, gate: Gate
) -> None:
    upstream = connect(registry, max_connections=2, connect_timeout=0.2)
    registry.add_image("library/alpine", "latest")
    digest = registry.add_blob("library/alpine", b"x" * 500_000)
    registry.misbehave(Fault(stall=gate, stall_at=100_000), method="GET", path="/blobs/")
    with upstream.open_blob(ALPINE, digest), upstream.open_blob(ALPINE, digest):
        assert upstream.head_manifest(ALPINE, LATEST).digest is not None
        with pytest.raises(Busy), upstream.open_blob(ALPINE, digest):
            pass
        gate.open()


def test_the_first_byte_and_a_stall_have_limits_of_their_own(
    registry: FakeUpstream, connect: Connect, gate: Gate
) -> None:
    upstream = connect(registry, first_byte_timeout=20.0, stall_timeout=0.2)
    digest = registry.add_blob("library/alpine", LAYER)
    registry.misbehave(Fault(stall=gate, stall_at=1000), method="GET", path="/blobs/")
    with (
        upstream.open_blob(ALPINE, digest) as stream,
        pytest.raises(Interrupted, match="stopped sending"),
    ):
        b"".join(stream.chunks)
