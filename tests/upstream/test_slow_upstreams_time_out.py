from __future__ import annotations

from collections.abc import Iterator

import pytest

from cache.upstream.client import Upstream
from cache.upstream.errors import Interrupted, TimedOut
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
    return connect(registry, read_timeout=0.2, connect_timeout=0.2)


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
            received.extend(stream.chunks)

    assert b"".join(received) == LAYER[:10_000]


def test_bytes_are_handed_on_as_they_arrive(
    registry: FakeUpstream, connect: Connect, gate: Gate
) -> None:
    digest = registry.add_blob("library/alpine", LAYER)
    registry.misbehave(Fault(stall=gate, stall_at=10))

    with connect(registry).open_blob(ALPINE, digest) as stream:
        first = next(stream.chunks)
        gate.open()
        rest = b"".join(stream.chunks)

    assert (first, first + rest) == (LAYER[:10], LAYER)


def test_a_blob_may_take_longer_than_a_manifest(registry: FakeUpstream, connect: Connect) -> None:
    digest = registry.add_blob("library/alpine", LAYER)
    registry.misbehave(Fault(bytes_per_second=200_000))

    with connect(registry, answer_timeout=0.01).open_blob(ALPINE, digest) as stream:
        assert b"".join(stream.chunks) == LAYER


def test_all_connections_busy(registry: FakeUpstream, connect: Connect, gate: Gate) -> None:
    digest = registry.add_blob("library/alpine", LAYER)
    registry.misbehave(Fault(stall=gate, stall_at=10), path="/blobs/")
    upstream = connect(registry, max_connections=1, connect_timeout=0.1)

    with upstream.open_blob(ALPINE, digest), pytest.raises(TimedOut, match="busy"):
        upstream.ping()
