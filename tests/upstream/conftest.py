from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from cache.memory import Memory
from cache.upstream.client import Endpoint, Upstream
from tests.fakes.upstream import FakeUpstream

Connect = Callable[..., Upstream]


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever proxy this machine uses is not for the fakes."""
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture
def registry() -> Iterator[FakeUpstream]:
    with FakeUpstream() as fake:
        yield fake


@pytest.fixture
def elsewhere() -> Iterator[FakeUpstream]:
    """A server on another host."""
    with FakeUpstream("127.0.0.2") as fake:
        yield fake


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Makes clients: `connect(fake, stall_timeout=1)`; they are closed after the test."""
    with ExitStack() as stack:

        def make(
            fake: FakeUpstream,
            memory: Memory | None = None,
            now: Callable[[], float] = time.monotonic,
            clock: Callable[[], float] = time.time,
            **settings: Any,
        ) -> Upstream:
            upstream = Upstream(Endpoint(fake.url, **settings), memory, now, clock)
            stack.callback(upstream.close)
            return upstream

        yield make
