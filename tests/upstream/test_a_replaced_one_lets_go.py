"""An upstream that another one has replaced closes its connections, once nobody needs them."""

from __future__ import annotations

from cache.oci.reference import RepositoryName
from tests.fakes.faults import Fault, Gate
from tests.fakes.upstream import FakeUpstream
from tests.upstream.conftest import Connect

NAME = RepositoryName.parse("library/tool")


def test_a_transfer_comes_to_its_end(registry: FakeUpstream, connect: Connect) -> None:
    data = b"x" * 1_000_000
    digest = registry.add_blob(str(NAME), data)
    stall = Gate()
    registry.misbehave(Fault(stall=stall, stall_at=100_000))
    upstream = connect(registry)

    with upstream.open_blob(NAME, digest) as stream:
        stall.wait_until_reached()
        upstream.retire()
        assert not upstream.release()
        stall.open()
        assert b"".join(stream.chunks) == data

    assert upstream.release()


def test_who_still_has_it_may_ask_it(registry: FakeUpstream, connect: Connect) -> None:
    digest = registry.add_blob(str(NAME), b"data")
    upstream = connect(registry)
    assert upstream.head_blob(NAME, digest) == 4
    upstream.retire()
    assert upstream.release()

    assert upstream.head_blob(NAME, digest) == 4
    assert upstream.release()
    assert len({seen.client for seen in registry.requests}) == 2
