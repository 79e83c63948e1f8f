"""A thread stays with its client for a moment, unless somebody else waits for one."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from mirrorsite.connections import Connection
from mirrorsite.worker import Worker
from tests.serve.conftest import PATIENCE


class _OneThread(Worker):
    """A worker with a single thread for requests."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self.alive = True
        self.tpool = pool


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


def test_it_does_not_when_the_worker_stops() -> None:
    with ThreadPoolExecutor(1) as pool:
        worker = _OneThread(pool)
        worker.alive = False
        assert not worker._follows_at_once(_Eager())
