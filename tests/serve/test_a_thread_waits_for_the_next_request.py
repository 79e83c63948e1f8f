"""A thread stays with its client for a moment, unless somebody else waits for one."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from mirrorsite.connections import Connection
from mirrorsite.worker import Worker
from tests.serve.conftest import PATIENCE


class _OneThread(Worker):
    """A worker with a single thread for requests."""

    def __init__(self, pool: ThreadPoolExecutor, threads: int = 1) -> None:
        self.alive = True
        self.tpool = pool
        self.cfg = SimpleNamespace(threads=threads)
        self._handled = {_Eager()}


class _Eager(Connection):
    """A client whose next request is there already."""

    def __init__(self) -> None:
        self.is_asked = False

    def has_more(self) -> bool:
        self.is_asked = True
        return True


@pytest.mark.parametrize("waiting", [0, 1])
def test_others_come_first(waiting: int) -> None:
    client, begun, over = _Eager(), threading.Event(), threading.Event()

    def answer() -> bool:
        begun.set()
        assert over.wait(PATIENCE)
        return worker._follows_at_once(client)

    with ThreadPoolExecutor(1) as pool:
        worker = _OneThread(pool)
        stays = pool.submit(answer)
        assert begun.wait(PATIENCE)
        for _ in range(waiting):
            pool.submit(int)
        over.set()
        assert stays.result() is not bool(waiting)
    assert client.is_asked is not bool(waiting)


def test_what_is_queued_has_a_thread_coming() -> None:
    """As long as not all of them are with a client: the pool only has not got round to it yet."""
    begun, over = threading.Event(), threading.Event()

    def answer() -> bool:
        begun.set()
        assert over.wait(PATIENCE)
        return worker._follows_at_once(_Eager())

    with ThreadPoolExecutor(1) as pool:
        worker = _OneThread(pool, threads=2)
        stays = pool.submit(answer)
        assert begun.wait(PATIENCE)
        pool.submit(int)
        over.set()
        assert stays.result()


def test_it_does_not_when_the_worker_stops() -> None:
    with ThreadPoolExecutor(1) as pool:
        worker = _OneThread(pool)
        worker.alive = False
        assert not worker._follows_at_once(_Eager())
