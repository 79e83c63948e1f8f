"""However many clients want a cold blob at once, upstream sends it once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from threading import Barrier

import pytest

from tests.e2e.counting import CountingProxy
from tests.e2e.images import MIB, noise, push_blob
from tests.e2e.mirror import WORKERS, Mirror
from tests.e2e.raw import Download

pytestmark = pytest.mark.e2e

CLIENTS = 50
SIZE = 64 * MIB


def test_fifty_clients_of_one_cold_blob(
    registry: str, upstream: CountingProxy, mirror: Mirror
) -> None:
    digest = push_blob(registry, "fifty", noise(SIZE, "fifty"))
    held = upstream.hold(f"/blobs/{digest}", after=MIB)
    together = Barrier(CLIENTS + 1, timeout=60)

    def client() -> tuple[str, int | None]:
        together.wait()
        with Download(mirror.address, "fifty", digest) as download:
            worker = mirror.worker_of(download.local_port)
            together.wait()
            return download.read_all(), worker

    with ThreadPoolExecutor(CLIENTS) as pool:
        clients = [pool.submit(client) for _ in range(CLIENTS)]
        together.wait()  # they ask
        together.wait()  # they have their answers' heads
        held.open()
        ended = [each.result() for each in clients]

    assert [received for received, _ in ended] == [str(digest)] * CLIENTS
    assert {worker for _, worker in ended} == set(mirror.workers())
    assert len(mirror.workers()) == WORKERS
    transfers = upstream.seen("GET", f"/blobs/{digest}")
    assert [transfer.body_bytes for transfer in transfers] == [SIZE]


def test_the_client_that_came_first_hangs_up(
    registry: str, upstream: CountingProxy, mirror: Mirror
) -> None:
    digest = push_blob(registry, "first-hangs-up", noise(8 * MIB, "first-hangs-up"))
    held = upstream.hold(f"/blobs/{digest}", after=2 * MIB)
    first = Download(mirror.address, "first-hangs-up", digest)
    first.read(MIB)
    with ExitStack() as stack:
        others = [
            stack.enter_context(Download(mirror.address, "first-hangs-up", digest))
            for _ in range(4)
        ]

        first.hang_up()
        held.open()

        assert [other.read_all() for other in others] == [str(digest)] * len(others)
    assert len(upstream.seen("GET", f"/blobs/{digest}")) == 1
