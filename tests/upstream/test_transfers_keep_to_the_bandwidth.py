"""`bandwidth`: bytes per second of all processes' transfers, counted on a clock of our own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from cache.upstream.bandwidth import FURTHEST, LEASE, Bandwidth
from cache.upstream.client import Endpoint, Upstream
from tests.fakes.upstream import FakeUpstream
from tests.upstream.names import ALPINE, LATEST
from tests.upstream.sharing import memory_in

RATE = 1_000_000
LAYER = bytes(3_000_000)


@dataclass
class Timeline:
    """A clock that goes on when someone waits, and only then."""

    seconds: float = 5000.0
    waits: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.seconds

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.seconds += seconds


@pytest.fixture
def timeline() -> Timeline:
    return Timeline()


@pytest.fixture
def bounded(registry: FakeUpstream, timeline: Timeline) -> Iterator[Upstream]:
    bandwidth = Bandwidth(RATE, "x", None, timeline, timeline.wait)
    upstream = Upstream(Endpoint(registry.url), bandwidth=bandwidth)
    yield upstream
    upstream.close()


def _spend(bandwidth: Bandwidth, pieces: int, size: int = 65_536) -> None:
    for _ in range(pieces):
        bandwidth.spend(size)


def test_a_blob_takes_the_time_that_the_rate_gives_it(
    registry: FakeUpstream, bounded: Upstream, timeline: Timeline
) -> None:
    digest = registry.add_blob("library/alpine", LAYER)
    start = timeline.seconds

    with bounded.open_blob(ALPINE, digest) as stream:
        assert b"".join(stream.chunks) == LAYER

    assert timeline.seconds - start == pytest.approx(len(LAYER) / RATE, abs=2 * LEASE)


def test_manifests_and_heads_are_not_held_back(registry: FakeUpstream, timeline: Timeline) -> None:
    # given a rate at which the first answer alone would take minutes
    image = registry.add_image("library/alpine", "latest")
    registry.require_bearer()
    upstream = Upstream(
        Endpoint(registry.url), bandwidth=Bandwidth(1, "x", None, timeline, timeline.wait)
    )

    for _ in range(3):
        upstream.head_manifest(ALPINE, LATEST)
        upstream.get_manifest(ALPINE, image.digest)
        upstream.head_blob(ALPINE, image.config_digest)
    upstream.list_tags(ALPINE)
    upstream.close()

    assert timeline.waits == []


def test_they_are_asked_while_a_transfer_waits(registry: FakeUpstream) -> None:
    # given a transfer that has to wait for as long as the test likes
    registry.add_image("library/alpine", "latest")
    digest = registry.add_blob("library/alpine", LAYER)
    waits, go_on = threading.Event(), threading.Event()

    def wait(_seconds: float) -> None:
        waits.set()
        go_on.wait(20)

    upstream = Upstream(
        Endpoint(registry.url), bandwidth=Bandwidth(RATE, "x", None, lambda: 0.0, wait)
    )

    def transfer() -> bytes:
        with upstream.open_blob(ALPINE, digest) as stream:
            return b"".join(stream.chunks)

    with ThreadPoolExecutor(1) as pool:
        blob = pool.submit(transfer)
        assert waits.wait(20)
        assert upstream.get_manifest(ALPINE, LATEST).digest is not None
        assert not blob.done()
        go_on.set()
        assert blob.result() == LAYER
    upstream.close()


def test_many_transfers_share_it(timeline: Timeline) -> None:
    bandwidth = Bandwidth(RATE, "x", None, timeline, timeline.wait)
    start = timeline.seconds

    with ThreadPoolExecutor(8) as pool:
        for each in [pool.submit(_spend, bandwidth, 20) for _ in range(8)]:
            each.result()

    assert timeline.seconds - start == pytest.approx(160 * 65_536 / RATE, abs=2 * LEASE)


def test_all_processes_share_it(tmp_path: Path, timeline: Timeline) -> None:
    processes = [
        Bandwidth(RATE, "x", memory_in(tmp_path), timeline, timeline.wait) for _ in range(4)
    ]
    start = timeline.seconds

    for _ in range(40):
        for bandwidth in processes:
            bandwidth.spend(65_536)

    spent = 160 * 65_536 / RATE
    assert timeline.seconds - start == pytest.approx(spent, abs=(len(processes) + 1) * LEASE)


def test_one_process_may_have_it_all(tmp_path: Path, timeline: Timeline) -> None:
    """The others are idle: nothing is set aside for them."""
    busy, idle = (
        Bandwidth(RATE, "x", memory_in(tmp_path), timeline, timeline.wait) for _ in range(2)
    )
    idle.spend(1)
    start = timeline.seconds

    _spend(busy, 100)

    assert timeline.seconds - start == pytest.approx(100 * 65_536 / RATE, abs=3 * LEASE)


def test_each_upstream_has_its_own(tmp_path: Path, timeline: Timeline) -> None:
    memory = memory_in(tmp_path)
    one, other = (
        Bandwidth(RATE, key, memory, timeline, timeline.wait) for key in ("https://a", "https://b")
    )
    _spend(one, 1)

    _spend(other, 1)

    assert timeline.waits == []


def test_time_without_transfers_is_not_made_up_for(timeline: Timeline) -> None:
    bandwidth = Bandwidth(RATE, "x", None, timeline, timeline.wait)
    bandwidth.spend(1)
    timeline.seconds += 3600
    start = timeline.seconds

    _spend(bandwidth, 100)

    assert timeline.seconds - start == pytest.approx(100 * 65_536 / RATE, abs=3 * LEASE)


@pytest.mark.parametrize("free_at", [1e9, "soon", None, float("inf"), float("nan")])
def test_a_timetable_of_another_time_is_none(
    tmp_path: Path, timeline: Timeline, free_at: object
) -> None:
    # given what a machine has written that ran for longer, before it was started again
    memory = memory_in(tmp_path)
    memory.write("bandwidth x", {"free_at": free_at})

    _spend(Bandwidth(RATE, "x", memory, timeline, timeline.wait), 20)

    assert sum(timeline.waits) < FURTHEST / 10


def test_a_close_lets_everything_go(registry: FakeUpstream) -> None:
    # given a transfer that would wait for hours
    digest = registry.add_blob("library/alpine", LAYER)
    upstream = Upstream(Endpoint(registry.url, bandwidth=100))
    begun = threading.Event()

    def transfer() -> None:
        with upstream.open_blob(ALPINE, digest) as stream:
            begun.set()
            for _ in stream.chunks:
                pass

    with ThreadPoolExecutor(1) as pool:
        blob = pool.submit(transfer)
        assert begun.wait(20)
        upstream.close()
        # then it ends at once, this way or that
        blob.exception(timeout=20)
