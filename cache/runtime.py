"""The composition root: what one worker process needs to serve, built once, after the fork."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from django.conf import settings

from cache.config import Config
from cache.negatives import Negatives
from cache.streaming.coalescer import Coalescer
from cache.streaming.flight import Flights
from cache.streaming.store import FileStore, Store
from cache.streaming.sweep import sweep_locks
from cache.traffic import Traffic
from cache.upstream.client import Endpoint, Upstream
from cache.version import VERSION

#: What the mirror calls itself at an upstream.
USER_AGENT = f"mirrorsite/{VERSION}"


@dataclass(frozen=True, slots=True)
class Runtime:
    """Everything that lives as long as the process. ``locks`` is a folder for lock files."""

    config: Config
    store: Store
    coalescer: Coalescer
    flights: Flights
    upstream: Upstream
    negatives: Negatives
    traffic: Traffic
    locks: Path
    now: Callable[[], datetime]


def build(config: Config) -> Runtime:
    """A runtime of its own; raises ``OSError`` if the store's folders cannot be made."""
    store = FileStore(config.storage.root)
    endpoint = Endpoint(
        url=config.proxy.remoteurl,
        username=config.proxy.username or None,
        password=config.proxy.password or None,
        connect_timeout=config.proxy.connect_timeout.total_seconds(),
        first_byte_timeout=config.proxy.first_byte_timeout.total_seconds(),
        stall_timeout=config.proxy.stall_timeout.total_seconds(),
        user_agent=USER_AGENT,
    )
    return Runtime(
        config=config,
        store=store,
        coalescer=Coalescer(store),
        flights=Flights(),
        upstream=Upstream(endpoint),
        negatives=Negatives(config.proxy.negative_ttl.total_seconds()),
        traffic=Traffic(),
        locks=_locks(config),
        now=lambda: datetime.now(UTC),
    )


def sweep(config: Config) -> None:
    """Remove what killed processes left in the store's folders and nobody can use; ``OSError``."""
    store = FileStore(config.storage.root)
    store.sweep(time.time())
    sweep_locks(_locks(config))


def drain(timeout: float) -> None:
    """Give this process's fills ``timeout`` seconds to end."""
    if _current is not None:
        _current.coalescer.drain(timeout)


def _locks(config: Config) -> Path:
    locks = config.storage.root / "locks"
    locks.mkdir(exist_ok=True, mode=0o700)
    return locks


_lock = threading.Lock()
_current: Runtime | None = None


def current() -> Runtime:
    """This process's runtime, built at the first request and not before a fork."""
    global _current  # noqa: PLW0603 - the process has one, and it is set in this file only
    if _current is None:
        with _lock:
            if _current is None:
                _current = build(settings.MIRROR)
    return _current


@contextmanager
def using(runtime: Runtime) -> Iterator[Runtime]:
    """Have ``runtime`` be the current one while the block runs: for what brings its own."""
    global _current  # noqa: PLW0603
    before, _current = _current, runtime
    try:
        yield runtime
    finally:
        _current = before
