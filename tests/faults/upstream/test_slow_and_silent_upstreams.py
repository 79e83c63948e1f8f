"""An upstream that stalls, or takes requests and never answers, costs no warm pull its speed."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.e2e.mirror import WORKERS, Mirror
from tests.e2e.processes import eventually
from tests.fakes.faults import Fault, Gate
from tests.fakes.images import Image
from tests.fakes.plain import NO_AUTHORITY
from tests.fakes.upstream import FakeUpstream

NAME = "library/thing"


@pytest.fixture
def upstream() -> Iterator[FakeUpstream]:
    with FakeUpstream() as upstream:
        yield upstream


@pytest.fixture
def mirror(upstream: FakeUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mirror]:
    """A mirror that loses its patience soon."""
    patience = {
        f"REGISTRY_PROXY_{which}_TIMEOUT": "1s" for which in ("CONNECT", "FIRST_BYTE", "STALL")
    }
    root = tmp_path_factory.mktemp("impatient") / "root"
    with Mirror(root, upstream.url, **patience) as running:
        yield running


@pytest.fixture
def image(upstream: FakeUpstream) -> Image:
    return upstream.add_image(NAME, "v1", [b"layer" * 10_000])


def _get(mirror: Mirror, path: str) -> httpx.Response:
    """Over a new connection, which either worker may take."""
    return httpx.get(
        f"{mirror.url}/v2/{NAME}/{path}", timeout=60, trust_env=False, verify=NO_AUTHORITY
    )


def _seconds(mirror: Mirror, path: str, times: int = 40) -> float:
    """What a pull takes, in the middle of several."""
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        assert _get(mirror, path).status_code == 200
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def test_a_stalled_transfer_goes_on_over_a_new_connection(
    mirror: Mirror, upstream: FakeUpstream
) -> None:
    data = random.Random(1).randbytes(600_000)
    digest = upstream.add_blob(NAME, data)
    gate = Gate()
    stall = Fault(stall=gate, stall_at=300_000)
    upstream.misbehave(stall, method="GET", path=str(digest), times=2)

    answer = _get(mirror, f"blobs/{digest}")
    gate.open()

    assert answer.content == data
    asked = upstream.seen("GET", str(digest))
    assert [seen.header("Range") for seen in asked[:2]] == [None, "bytes=300000-"]
    assert len({seen.client for seen in asked}) == len(asked)


def test_a_black_hole(mirror: Mirror, upstream: FakeUpstream, image: Image) -> None:
    assert _get(mirror, "manifests/v1").status_code == 200
    before = _seconds(mirror, "manifests/v1")
    hole = Gate()
    upstream.misbehave(Fault(hold=hole))

    with ThreadPoolExecutor(20) as pool:
        first = [pool.submit(_get, mirror, "manifests/v1") for _ in range(20)]
        assert {pull.result(60).headers["X-Cache"] for pull in first} == {"STALE"}
    eventually(lambda: _asks_no_more(mirror, upstream), "every worker has stopped asking")
    upstream.record.reset()
    during = _seconds(mirror, "manifests/v1")

    assert upstream.seen("HEAD") == []
    assert _get(mirror, "manifests/other").status_code == 502
    upstream.behave()
    eventually(
        lambda: all(
            _get(mirror, "manifests/v1").headers["X-Cache"] == "REVALIDATED"
            for _ in range(8 * WORKERS)
        ),
        "every worker asks again",
    )
    # Whatever else the machine has begun to do meanwhile, the last measurement shows.
    assert during < 3 * max(before, _seconds(mirror, "manifests/v1"))


def _asks_no_more(mirror: Mirror, upstream: FakeUpstream) -> bool:
    upstream.record.reset()
    for _ in range(8 * WORKERS):
        assert _get(mirror, "manifests/v1").headers["X-Cache"] == "STALE"
    return upstream.seen("HEAD") == []


def test_crawling_transfers_leave_warm_content_alone(
    mirror: Mirror, upstream: FakeUpstream, image: Image
) -> None:
    warm = "manifests/v1", f"blobs/{image.layer_digests[0]}"
    for path in warm:
        assert _get(mirror, path).status_code == 200
    eventually(lambda: not any((mirror.root / "parts").iterdir()), "all fills have ended")
    cold = [upstream.add_blob(NAME, bytes([n]) * 500_000) for n in range(100)]
    # Each would take longer than anyone waits here.
    upstream.misbehave(Fault(bytes_per_second=2_000), method="GET", path="/blobs/")

    with ThreadPoolExecutor(len(cold)) as pool:
        pulls = [pool.submit(_get, mirror, f"blobs/{digest}") for digest in cold]
        eventually(lambda: len(upstream.seen("GET", "/blobs/")) > len(cold), "all are on the way")
        answers = [_get(mirror, path).status_code for path in warm]
        under_way = [pull for pull in pulls if not pull.done()]
        upstream.stop()
        for pull in pulls:
            pull.exception(60)

    assert answers == [200, 200]
    assert len(under_way) == len(cold)


def test_a_name_that_the_dns_does_not_know(tmp_path: Path) -> None:
    with Mirror(tmp_path / "root", "http://registry.invalid") as mirror:
        refused = _get(mirror, "manifests/v1")
    assert refused.status_code == 502
    assert refused.json()["errors"][0]["code"] == "UNAVAILABLE"
