"""Cut, reset, stalled, once and many times: readers see one unbroken stream."""

from __future__ import annotations

import random

import httpx
import pytest

from cache.oci.digest import Digest
from tests import database
from tests.e2e.mirror import Mirror
from tests.e2e.processes import eventually
from tests.fakes.faults import Fault
from tests.fakes.upstream import FakeUpstream

SIZE = 1_000_000


def _data(name: str) -> bytes:
    return random.Random(name).randbytes(SIZE)


@pytest.mark.parametrize("reset", [True, False])
@pytest.mark.parametrize("times", [1, 5])
def test_with_ranges(
    client: httpx.Client, upstream: FakeUpstream, name: str, times: int, reset: bool
) -> None:
    digest = upstream.add_blob(name, _data(name))
    cut = Fault(cut_after=150_000, reset=reset)
    upstream.misbehave(cut, method="GET", path=str(digest), times=times)

    assert client.get(f"/{name}/blobs/{digest}").content == _data(name)

    ranges = [seen.header("Range") for seen in upstream.seen("GET", str(digest))]
    assert len(ranges) == times + 1
    assert ranges[0] is None
    starts = [int((asked or "").removeprefix("bytes=").removesuffix("-")) for asked in ranges[1:]]
    assert starts == sorted(set(starts)), "each goes on where the one before it ended"
    assert starts[-1] > 0


def test_without_ranges(client: httpx.Client, upstream: FakeUpstream, name: str) -> None:
    digest = upstream.add_blob(name, _data(name))
    upstream.misbehave(
        Fault(cut_after=400_000, ignore_range=True), method="GET", path=str(digest), times=1
    )
    upstream.misbehave(Fault(ignore_range=True), method="GET", path=str(digest))
    assert client.get(f"/{name}/blobs/{digest}").content == _data(name)


def test_a_wrong_content_range_is_not_believed(
    client: httpx.Client, upstream: FakeUpstream, name: str
) -> None:
    digest = upstream.add_blob(name, _data(name))
    upstream.misbehave(Fault(cut_after=400_000), method="GET", path=str(digest), times=1)
    lie = {"Content-Range": f"bytes 0-{SIZE - 1}/{SIZE}"}
    upstream.misbehave(Fault(headers=lie), method="GET", path=str(digest))
    with pytest.raises(httpx.HTTPError):
        client.get(f"/{name}/blobs/{digest}")
    upstream.behave()
    assert client.get(f"/{name}/blobs/{digest}").content == _data(name)


def test_lost_for_good_ends_short_and_keeps_what_came(
    client: httpx.Client, upstream: FakeUpstream, name: str, mirror: Mirror
) -> None:
    digest = upstream.add_blob(name, _data(name))
    upstream.misbehave(Fault(cut_after=300_000), method="GET", path=str(digest), times=1)
    upstream.misbehave(Fault(status=500), method="GET", path=str(digest))

    with pytest.raises(httpx.HTTPError):
        client.get(f"/{name}/blobs/{digest}")

    part = mirror.root / "parts" / f"sha256-{digest.hex}.part"
    assert part.stat().st_size > 0
    upstream.behave()
    upstream.record.reset()
    eventually(
        lambda: client.get(f"/{name}/blobs/{digest}").content == _data(name),
        "the next pull gets the blob",
    )
    assert (upstream.seen("GET", str(digest))[0].header("Range") or "").startswith("bytes=")


def test_tries_are_bounded(client: httpx.Client, upstream: FakeUpstream, name: str) -> None:
    digest = upstream.add_blob(name, _data(name))
    upstream.misbehave(Fault(status=503), method="GET", path=str(digest))
    assert client.get(f"/{name}/blobs/{digest}").status_code == 502
    assert 1 < len(upstream.seen("GET", str(digest))) < 10


def test_wrong_bytes_are_fetched_once_more(
    client: httpx.Client, upstream: FakeUpstream, name: str
) -> None:
    small = upstream.add_blob(name, _data(name)[:1000])
    upstream.misbehave(Fault(wrong_byte_at=5), method="GET", path=str(small), times=1)
    assert client.get(f"/{name}/blobs/{small}").content == _data(name)[:1000]
    assert len(upstream.seen("GET", str(small))) == 2


def test_wrong_bytes_twice_are_told_to_the_operator(
    client: httpx.Client, upstream: FakeUpstream, name: str, mirror: Mirror
) -> None:
    small = upstream.add_blob(name, _data(name)[:1000])
    upstream.misbehave(Fault(wrong_byte_at=5), method="GET", path=str(small))
    assert client.get(f"/{name}/blobs/{small}").status_code == 502
    assert len(upstream.seen("GET", str(small))) == 2
    eventually(
        lambda: any(
            "level=error" in line and str(small) in line and name in line
            for line in mirror.log.splitlines()
        ),
        "the log names digest and repository",
    )
    eventually(lambda: _counted(mirror, name, small) == 1, "it is counted")

    def another_is_counted() -> bool:
        client.get(f"/{name}/blobs/{small}")
        return _counted(mirror, name, small) > 1

    eventually(another_is_counted, "each one is")


def _counted(mirror: Mirror, name: str, digest: Digest) -> int:
    query = "SELECT count FROM cache_incident WHERE kind = ? AND repository = ? AND digest = ?"
    found = database.rows(mirror.root, query, "corrupt", name, str(digest))
    return int(found[0][0]) if found else 0
