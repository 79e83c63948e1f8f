from __future__ import annotations

import pytest

from cache.upstream.errors import BadAnswer, Interrupted, NotFound, RangeRejected
from tests.fakes.faults import Fault
from tests.fakes.upstream import FakeUpstream
from tests.upstream.conftest import Connect
from tests.upstream.names import ABSENT, ALPINE

LAYER = bytes(range(256)) * 4000
SIZE = len(LAYER)


def test_from_the_start_no_range_is_asked_for(registry: FakeUpstream, connect: Connect) -> None:
    digest = registry.add_blob("library/alpine", LAYER)

    with connect(registry).open_blob(ALPINE, digest) as stream:
        assert (stream.offset, stream.size, b"".join(stream.chunks)) == (0, SIZE, LAYER)

    assert registry.requests[0].header("range") is None


def test_from_an_offset(registry: FakeUpstream, connect: Connect) -> None:
    digest = registry.add_blob("library/alpine", LAYER)

    with connect(registry).open_blob(ALPINE, digest, 1000) as stream:
        assert (stream.offset, stream.size) == (1000, SIZE)
        assert b"".join(stream.chunks) == LAYER[1000:]


def test_an_upstream_that_ignores_the_range_is_noticed(
    registry: FakeUpstream, connect: Connect
) -> None:
    digest = registry.add_blob("library/alpine", LAYER)
    registry.misbehave(Fault(ignore_range=True))

    with connect(registry).open_blob(ALPINE, digest, 1000) as stream:
        assert (stream.offset, stream.size, b"".join(stream.chunks)) == (0, SIZE, LAYER)


def test_an_offset_beyond_the_end(registry: FakeUpstream, connect: Connect) -> None:
    digest = registry.add_blob("library/alpine", LAYER)

    with (
        pytest.raises(RangeRejected) as rejected,
        connect(registry).open_blob(ALPINE, digest, SIZE),
    ):
        pass

    assert rejected.value.size == SIZE


@pytest.mark.parametrize(
    "content_range",
    [
        None,
        f"bytes 999-{SIZE - 1}/{SIZE}",
        f"bytes 1001-{SIZE - 1}/{SIZE}",
        f"bytes 1000-{SIZE - 2}/{SIZE}",
        f"bytes 1000-{SIZE - 1}/{SIZE - 1}",
        f"bytes 1000-{SIZE - 1}/{SIZE + 1}",
        "bytes 1000-999/2000",
        "bytes 1000-1999/2000",
        f"bytes */{SIZE}",
        f"items 1000-{SIZE - 1}/{SIZE}",
        "bytes 1000-" + "9" * 5000 + "/*",
        "nonsense",
    ],
)
def test_a_part_that_is_not_the_one_asked_for(
    registry: FakeUpstream, connect: Connect, content_range: str | None
) -> None:
    digest = registry.add_blob("library/alpine", LAYER)
    if content_range is None:
        registry.misbehave(Fault(without=("Content-Range",)))
    else:
        registry.misbehave(Fault(headers={"Content-Range": content_range}))

    with pytest.raises(BadAnswer), connect(registry).open_blob(ALPINE, digest, 1000):
        pass


def test_a_part_of_unknown_whole(registry: FakeUpstream, connect: Connect) -> None:
    digest = registry.add_blob("library/alpine", LAYER)
    registry.misbehave(Fault(headers={"Content-Range": f"bytes 1000-{SIZE - 1}/*"}))

    with connect(registry).open_blob(ALPINE, digest, 1000) as stream:
        assert (stream.offset, stream.size) == (1000, None)
        assert b"".join(stream.chunks) == LAYER[1000:]


@pytest.mark.parametrize("reset", [True, False])
@pytest.mark.parametrize("chunked", [True, False])
def test_a_cut_is_an_interruption(
    registry: FakeUpstream, connect: Connect, chunked: bool, reset: bool
) -> None:
    digest = registry.add_blob("library/alpine", LAYER)
    registry.misbehave(Fault(cut_after=5000, chunked=chunked, reset=reset))

    with connect(registry).open_blob(ALPINE, digest) as stream:
        received: list[bytes] = []
        with pytest.raises(Interrupted) as interrupted:
            received.extend(map(bytes, stream.chunks))

    assert interrupted.value.retryable
    assert LAYER.startswith(b"".join(received))


def test_the_range_announces_the_length_where_nothing_else_does(
    registry: FakeUpstream, connect: Connect
) -> None:
    digest = registry.add_blob("library/alpine", LAYER)
    registry.misbehave(Fault(cut_after=5000, until_close=True))

    with (
        connect(registry).open_blob(ALPINE, digest, 1000) as stream,
        pytest.raises(Interrupted, match="less than it had announced"),
    ):
        b"".join(stream.chunks)


def test_more_than_was_announced_is_not_handed_on(registry: FakeUpstream, connect: Connect) -> None:
    digest = registry.add_blob("library/alpine", LAYER)
    registry.misbehave(Fault(chunked=True, headers={"Content-Range": "bytes 1000-1999/2000"}))

    with connect(registry).open_blob(ALPINE, digest, 1000) as stream:
        received: list[bytes] = []
        with pytest.raises(Interrupted, match="more than it had announced"):
            received.extend(map(bytes, stream.chunks))

    assert len(b"".join(received)) <= 1000


@pytest.mark.parametrize("fault", [Fault(chunked=True), Fault(until_close=True)])
def test_a_length_that_is_not_told_is_none(
    registry: FakeUpstream, connect: Connect, fault: Fault
) -> None:
    digest = registry.add_blob("library/alpine", LAYER)
    registry.misbehave(fault)

    with connect(registry).open_blob(ALPINE, digest) as stream:
        assert (stream.size, b"".join(stream.chunks)) == (None, LAYER)


def test_a_blob_nobody_has(registry: FakeUpstream, connect: Connect) -> None:
    registry.add_blob("library/alpine", LAYER)

    with pytest.raises(NotFound) as absent, connect(registry).open_blob(ALPINE, ABSENT):
        pass

    assert absent.value.code == "BLOB_UNKNOWN"


def test_the_callers_own_errors_pass_through(registry: FakeUpstream, connect: Connect) -> None:
    digest = registry.add_blob("library/alpine", LAYER)

    with pytest.raises(OSError, match="disk full"), connect(registry).open_blob(ALPINE, digest):
        raise OSError("disk full")


def test_a_transfer_that_is_left_early_leaves_the_client_usable(
    registry: FakeUpstream, connect: Connect
) -> None:
    digest = registry.add_blob("library/alpine", LAYER * 10)
    upstream = connect(registry, max_connections=1)

    for _ in range(3):
        with upstream.open_blob(ALPINE, digest) as stream:
            next(stream.chunks)

    upstream.ping()
