"""A thread stays with its client for a moment, unless others may need it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from mirrorsite.connections import Connection
from mirrorsite.worker import Worker

THREADS = 1000


class _Busy(Worker):
    """A worker with so many threads at work."""

    def __init__(self, at_work: int) -> None:
        self._at_work = at_work
        self.alive = True
        self.cfg = SimpleNamespace(threads=THREADS)

    @property
    def at_work(self) -> int:
        return self._at_work


class _Eager(Connection):
    """A client whose next request is there already."""

    def __init__(self) -> None:
        self.is_asked = False

    def has_more(self) -> bool:
        self.is_asked = True
        return True


@pytest.mark.parametrize(("at_work", "stays"), [(1, True), (900, True), (901, False)])
def test_it_leaves_a_tenth_of_the_threads_for_others(at_work: int, *, stays: bool) -> None:
    client = _Eager()
    assert _Busy(at_work)._follows_at_once(client) is stays
    assert client.is_asked is stays


def test_it_does_not_when_the_worker_stops() -> None:
    worker = _Busy(1)
    worker.alive = False
    assert not worker._follows_at_once(_Eager())
