"""After a few failures nobody waits for upstream; probes find out when it is back."""

from __future__ import annotations

import threading

import pytest

from cache.upstream.breaker import FAILURES, LONGEST_PAUSE, Breaker
from cache.upstream.client import Upstream
from cache.upstream.endpoint import Endpoint
from cache.upstream.errors import CircuitOpen, NotFound, Unreachable, UpstreamError
from tests.e2e.processes import eventually
from tests.fakes.faults import Fault
from tests.fakes.upstream import FakeUpstream
from tests.upstream.names import ALPINE, LATEST


class Pauses:
    """Stands in for time: a probe comes when the test lets it."""

    def __init__(self) -> None:
        self.asked: list[float] = []
        self._steps = threading.Semaphore(0)

    def __call__(self, seconds: float) -> bool:
        self.asked.append(seconds)
        return not self._steps.acquire(timeout=30)

    def step(self) -> None:
        self._steps.release()


def _opened(probe: list[UpstreamError | None]) -> tuple[Breaker, Pauses]:
    """A breaker that has just opened; `probe` holds the outcomes of its probes."""

    def ask() -> None:
        outcome = probe.pop(0)
        if outcome is not None:
            raise outcome

    pauses = Pauses()
    breaker = Breaker("there", ask, pauses)
    for _ in range(FAILURES):
        breaker.check()
        breaker.failed()
    return breaker, pauses


def test_it_opens_after_failures_in_a_row_and_closes_by_a_probe() -> None:
    breaker, pauses = _opened([Unreachable("no"), None])
    with pytest.raises(CircuitOpen):
        breaker.check()
    pauses.step()
    pauses.step()
    breaker.close()
    breaker.check()
    assert pauses.asked == [1.0, 2.0]


def test_pauses_between_probes_grow_up_to_a_bound() -> None:
    breaker, pauses = _opened([*[Unreachable("no")] * 7, None])
    for _ in range(8):
        pauses.step()
    breaker.close()
    assert pauses.asked == [1.0, 2.0, 4.0, 8.0, *[LONGEST_PAUSE] * 4]


def test_an_answer_in_between_counts_anew() -> None:
    breaker = Breaker("there", lambda: None, Pauses())
    for _ in range(3 * FAILURES):
        breaker.failed()
        breaker.succeeded()
    breaker.check()


def test_a_real_upstream_that_goes_and_comes_back() -> None:
    with FakeUpstream() as server:
        upstream = Upstream(Endpoint(server.url))
        server.misbehave(Fault(cut_after=-1))
        for _ in range(FAILURES):
            with pytest.raises(Unreachable):
                upstream.head_manifest(ALPINE, LATEST)
        server.record.reset()
        with pytest.raises(CircuitOpen):
            upstream.head_manifest(ALPINE, LATEST)
        assert server.seen("HEAD") == []
        server.behave()
        eventually(lambda: _is_asked(upstream), "a probe has closed the circuit")
        upstream.close()


def _is_asked(upstream: Upstream) -> bool:
    try:
        upstream.head_manifest(ALPINE, LATEST)
    except CircuitOpen:
        return False
    except NotFound:
        pass
    return True


def test_answers_of_any_kind_keep_it_closed() -> None:
    with FakeUpstream() as server:
        upstream = Upstream(Endpoint(server.url))
        server.misbehave(Fault(status=503))
        for _ in range(2 * FAILURES):
            with pytest.raises(UpstreamError) as failed:
                upstream.head_manifest(ALPINE, LATEST)
            assert not isinstance(failed.value, CircuitOpen)
        upstream.close()
