from __future__ import annotations

from cache.upstream.bandwidth import BURST, Bandwidth
from tests.fakes.upstream import FakeUpstream
from tests.upstream.conftest import Connect
from tests.upstream.names import ALPINE, LATEST


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_the_rate_is_that_of_all_takers_together() -> None:
    clock = Clock()
    bound = Bandwidth(1000.0, lambda: clock.now, clock.sleep)

    for _ in range(100):
        bound.take(100)

    assert 10.0 - BURST <= clock.now - 1000.0 <= 10.0


def test_a_pause_is_no_credit_beyond_the_burst() -> None:
    clock = Clock()
    bound = Bandwidth(1000.0, lambda: clock.now, clock.sleep)
    bound.take(1)
    clock.now += 3600.0
    before = clock.now

    bound.take(5000)

    assert clock.now - before == 5.0 - BURST


def test_it_counts_transfers_and_no_questions(registry: FakeUpstream, connect: Connect) -> None:
    registry.add_image("library/alpine", "latest")
    layer = bytes(300_000)
    digest = registry.add_blob("library/alpine", layer)
    clock = Clock()
    upstream = connect(registry, bandwidth=1000.0)
    upstream._transport._bandwidth = Bandwidth(1000.0, lambda: clock.now, clock.sleep)

    upstream.get_manifest(ALPINE, LATEST)
    assert clock.now == 1000.0
    with upstream.open_blob(ALPINE, digest) as stream:
        assert b"".join(stream.chunks) == layer

    assert 300.0 - BURST <= clock.now - 1000.0 <= 300.0
