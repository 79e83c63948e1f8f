from __future__ import annotations

import pytest

from cache.upstream.errors import BadAnswer, Denied, NotFound
from tests.fakes.faults import Fault
from tests.fakes.upstream import FakeUpstream
from tests.upstream.conftest import Connect
from tests.upstream.names import ABSENT, ALPINE

LAYER = b"layer" * 1_000_000


def test_a_head_tells_the_size(registry: FakeUpstream, connect: Connect) -> None:
    digest = registry.add_blob("library/alpine", LAYER)
    upstream = connect(registry)

    assert upstream.head_blob(ALPINE, digest) == len(LAYER)
    with pytest.raises(NotFound):
        upstream.head_blob(ALPINE, ABSENT)
    assert registry.count("GET") == 0


def test_a_head_may_tell_no_size(registry: FakeUpstream, connect: Connect) -> None:
    digest = registry.add_blob("library/alpine", LAYER)
    registry.misbehave(Fault(without=("Content-Length",)))

    assert connect(registry).head_blob(ALPINE, digest) is None


@pytest.mark.parametrize("status", [401, 405, 501])
def test_where_head_is_refused_the_first_byte_proves_it(
    registry: FakeUpstream, connect: Connect, status: int
) -> None:
    digest = registry.add_blob("library/alpine", LAYER)
    registry.require_bearer()
    registry.misbehave(Fault(status=status), method="HEAD")
    upstream = connect(registry)

    assert upstream.head_blob(ALPINE, digest) == len(LAYER)
    assert registry.seen("GET", "/blobs/")[-1].header("range") == "bytes=0-0"

    heads = registry.count("HEAD")
    with pytest.raises(NotFound):
        upstream.head_blob(ALPINE, ABSENT)
    assert registry.count("HEAD") == heads, "it is not tried again where it never works"


def test_storage_that_signs_for_get_alone(
    registry: FakeUpstream, elsewhere: FakeUpstream, connect: Connect
) -> None:
    digest = registry.add_blob("library/alpine", LAYER)
    registry.redirect_blobs_to(elsewhere)
    elsewhere.misbehave(Fault(status=403), method="HEAD")

    assert connect(registry).head_blob(ALPINE, digest) == len(LAYER)


def test_an_upstream_that_ignores_the_range_is_not_read_to_the_end(
    registry: FakeUpstream, connect: Connect
) -> None:
    digest = registry.add_blob("library/alpine", LAYER * 20)
    registry.misbehave(Fault(status=405), method="HEAD")
    registry.misbehave(Fault(ignore_range=True))
    upstream = connect(registry)

    assert upstream.head_blob(ALPINE, digest) == len(LAYER) * 20
    upstream.close()
    registry.stop()
    assert registry.body_bytes < len(LAYER) * 20


def test_an_empty_blob_has_no_first_byte(registry: FakeUpstream, connect: Connect) -> None:
    digest = registry.add_blob("library/alpine", b"")
    registry.misbehave(Fault(status=405), method="HEAD")

    assert connect(registry).head_blob(ALPINE, digest) == 0


def test_a_blob_without_first_byte_that_is_not_empty_is_nonsense(
    registry: FakeUpstream, connect: Connect
) -> None:
    registry.misbehave(Fault(status=405), method="HEAD")
    registry.misbehave(Fault(status=416, headers={"Content-Range": "bytes */5"}))

    with pytest.raises(BadAnswer):
        connect(registry).head_blob(ALPINE, ABSENT)


def test_a_denial_stays_one(registry: FakeUpstream, connect: Connect) -> None:
    digest = registry.add_blob("library/alpine", LAYER)
    registry.misbehave(Fault(status=403), method="HEAD")
    upstream = connect(registry)

    with pytest.raises(Denied):
        upstream.head_blob(ALPINE, digest)
    assert registry.count("GET") == 0

    registry.behave()
    registry.misbehave(Fault(status=401))
    with pytest.raises(Denied) as denied:
        upstream.head_blob(ALPINE, digest)
    assert denied.value.unauthenticated
    registry.behave()
    upstream.head_blob(ALPINE, digest)
    assert registry.requests[-1].method == "HEAD"
