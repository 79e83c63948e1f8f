"""Two upstreams have one blob: who asks one of them feels nothing of the other one's trouble."""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from cache.oci.errors import RegistryError
from cache.pull import Arriving, read_blob
from cache.pull.refusals import NOT_FOUND
from cache.streaming.fill import Fill
from cache.streaming.source import INTERRUPTED, SourceFailed
from tests.e2e.mirror import Mirror
from tests.fakes.faults import Fault, Gate
from tests.fakes.plain import NO_AUTHORITY
from tests.fakes.upstream import FakeUpstream
from tests.streaming.sources import MemorySource, order_of

ASKERS = 6
DATA = random.Random(1).randbytes(600_000)


@pytest.fixture
def hub() -> Iterator[FakeUpstream]:
    with FakeUpstream() as hub:
        yield hub


@pytest.fixture
def other() -> Iterator[FakeUpstream]:
    with FakeUpstream() as other:
        yield other


@pytest.fixture
def mirror(hub: FakeUpstream, other: FakeUpstream, tmp_path: Path) -> Iterator[Mirror]:
    upstreams = f"{{other.example: {{remoteurl: '{other.url}'}}}}"
    with Mirror(tmp_path / "root", hub.url, REGISTRY_UPSTREAMS=upstreams) as running:
        yield running


def _get(mirror: Mirror, path: str) -> httpx.Response:
    return httpx.get(f"{mirror.url}/v2/{path}", timeout=60, trust_env=False, verify=NO_AUTHORITY)


@pytest.mark.parametrize(("status", "told"), [(500, 502), (429, 429), (403, 403), (404, 404)])
def test_a_fill_that_one_of_them_fails(
    mirror: Mirror, hub: FakeUpstream, other: FakeUpstream, status: int, told: int
) -> None:
    digest = hub.add_blob("a/b", DATA)
    other.add_blob("a/b", DATA)
    gate = Gate()
    hub.misbehave(Fault(status=status, hold=gate), path="/blobs/")
    with ThreadPoolExecutor(2 * ASKERS) as pool:
        bad = [pool.submit(_get, mirror, f"a/b/blobs/{digest}") for _ in range(ASKERS)]
        gate.wait_until_reached()
        path = f"a/b/blobs/{digest}?ns=other.example"
        good = [pool.submit(_get, mirror, path) for _ in range(ASKERS)]
        gate.open()
        assert {pull.result().content for pull in good} == {DATA}
        assert {pull.result().status_code for pull in bad} == {told}


def test_a_refusal_that_comes_last_is_not_told_to_others() -> None:
    order = order_of(MemorySource(DATA))
    fill = Fill(order.digest)
    fill.enter(order)
    fill.answered(len(DATA), order.origin)
    cut = SourceFailed(INTERRUPTED, "cut", origin=order.source.upstream)
    refused = SourceFailed(NOT_FOUND, "no such blob", origin="other.example/a/b")
    fill.fail({order.origin: cut, "other.example/a/b": refused})

    with pytest.raises(RegistryError) as told:
        read_blob(Arriving(order.digest, len(DATA), fill, order), 0, None)

    assert told.value.status == 502
    fill.leave()
