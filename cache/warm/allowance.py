"""How many manifests may be fetched before an upstream's quota is down to its reserve."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Protocol

from cache import runtime
from cache.oci.repository import Repository


class Quota(Protocol):
    """What an upstream has said of its quota of manifests; None is what it has not said."""

    @property
    def limit(self) -> int | None: ...
    @property
    def remaining(self) -> int | None: ...
    @property
    def renews_at(self) -> datetime | None: ...


class Stopped(Exception):
    """An upstream is not asked any more; the text is a sentence."""


def quota_of(upstream: str) -> Quota:
    """What the ledger knows of an upstream, which all processes keep together."""
    return runtime.current().upstreams[upstream].quota()


class Allowance:
    """Says for each manifest whether it may still be fetched. Any thread may ask.

    What others are fetching at the moment is counted as gone, so that the reserve stays whole
    however many ask at the same time.
    """

    def __init__(self, ask: Callable[[str], Quota] = quota_of) -> None:
        self._ask = ask
        self._lock = threading.Lock()
        self._under_way: Counter[str] = Counter()
        self._closed: dict[str, str] = {}

    @contextmanager
    def one_manifest(self, repository: Repository) -> Iterator[None]:
        """Around a request that may fetch a manifest; raises :class:`Stopped`."""
        upstream = repository.upstream
        with self._lock:
            reason = self._closed.get(upstream) or self._reserve_reached(repository)
            if reason is not None:
                raise Stopped(reason)
            self._under_way[upstream] += 1
        try:
            yield
        finally:
            with self._lock:
                self._under_way[upstream] -= 1

    def close(self, upstream: str, reason: str) -> None:
        """Have nothing more be asked of an upstream that has had enough."""
        with self._lock:
            self._closed.setdefault(upstream, reason)

    def _reserve_reached(self, repository: Repository) -> str | None:
        quota = self._ask(repository.upstream)
        if quota.limit is None or quota.remaining is None:
            return None
        reserve = quota.limit * runtime.current().proxy_of(repository).quota_reserve
        left = quota.remaining - self._under_way[repository.upstream]
        if left - 1 >= reserve:
            return None
        renews = f", until {quota.renews_at:%Y-%m-%d %H:%M} UTC" if quota.renews_at else ""
        return (
            f"the quota of {repository.upstream} is kept for pulls: {quota.remaining} of "
            f"{quota.limit} manifests are left, the reserve is {reserve:g}{renews}"
        )
