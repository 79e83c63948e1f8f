"""Clients that a certain worker of the mirror answers."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.fakes.plain import NO_AUTHORITY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.mirror import Mirror

MOST_CONNECTIONS = 200


@contextmanager
def client_of_each_worker(mirror: Mirror) -> Iterator[tuple[httpx.Client, ...]]:
    """One client for each worker: it has a connection there and never opens another.

    Which worker takes a connection is the kernel's choice, so it is asked until all have one.
    """
    with ExitStack() as stack:
        clients: dict[int, httpx.Client] = {}
        for _ in range(MOST_CONNECTIONS):
            client = stack.enter_context(_one_connection(mirror))
            clients.setdefault(_worker_of(mirror, client), client)
            if len(clients) == len(mirror.workers()):
                yield tuple(clients.values())
                return
    pytest.fail(f"{MOST_CONNECTIONS} connections went to {len(clients)} of the workers")


def _one_connection(mirror: Mirror) -> httpx.Client:
    return httpx.Client(
        base_url=f"{mirror.url}/v2/",
        timeout=60,
        trust_env=False,
        verify=NO_AUTHORITY,
        limits=httpx.Limits(max_connections=1, keepalive_expiry=None),
    )


def _worker_of(mirror: Mirror, client: httpx.Client) -> int:
    with client.stream("GET", "") as answer:
        port: int = answer.extensions["network_stream"].get_extra_info("client_addr")[1]
        answer.read()
    worker = mirror.worker_of(port)
    assert worker is not None
    return worker
