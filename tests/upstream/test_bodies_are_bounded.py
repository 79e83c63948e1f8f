from __future__ import annotations

import pytest

from cache.upstream.errors import TooLarge
from tests.fakes.faults import Fault
from tests.fakes.upstream import FakeUpstream
from tests.upstream.conftest import Connect
from tests.upstream.names import ALPINE, LATEST

MEBIBYTE = 1024 * 1024


@pytest.mark.parametrize("chunked", [True, False])
def test_a_manifest_has_four_mebibytes_at_most(
    registry: FakeUpstream, connect: Connect, chunked: bool
) -> None:
    upstream = connect(registry)
    registry.misbehave(Fault(chunked=chunked))
    largest = b" " * 4 * MEBIBYTE
    registry.add_manifest("library/alpine", largest, "application/x", "latest")

    assert upstream.get_manifest(ALPINE, LATEST).body == largest

    registry.add_manifest("library/alpine", largest + b" ", "application/x", "latest")
    with pytest.raises(TooLarge) as raised:
        upstream.get_manifest(ALPINE, LATEST)
    assert not raised.value.retryable


def test_more_than_the_bound_is_not_read(registry: FakeUpstream, connect: Connect) -> None:
    registry.add_manifest("library/alpine", b" " * 64 * MEBIBYTE, "application/x", "latest")
    upstream = connect(registry)

    with pytest.raises(TooLarge):
        upstream.get_manifest(ALPINE, LATEST)

    registry.stop()
    assert registry.body_bytes < 32 * MEBIBYTE


def test_a_tag_list_has_eight_mebibytes_at_most(registry: FakeUpstream, connect: Connect) -> None:
    registry.misbehave(Fault(status=200, body=b" " * (8 * MEBIBYTE + 1)))

    with pytest.raises(TooLarge):
        connect(registry).list_tags(ALPINE)


def test_the_body_of_a_redirect_is_not_read_to_the_end(
    registry: FakeUpstream, connect: Connect
) -> None:
    registry.add_image("library/alpine", "latest")
    headers = {"Location": "/v2/library/alpine/manifests/latest?moved"}
    huge = Fault(status=307, headers=headers, body=b" " * 64 * MEBIBYTE)
    registry.misbehave(huge, path="latest$")

    connect(registry).get_manifest(ALPINE, LATEST)

    registry.stop()
    assert registry.body_bytes < 32 * MEBIBYTE
