"""A source in memory that counts what it was asked, fails on command and can be held."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from cache.oci.digest import Digest
from cache.streaming.order import Order
from cache.streaming.source import RetryPolicy, SourceFailed

STEP = 16 * 1024
QUICK = RetryPolicy(delay=0.0)


@dataclass
class Stream:
    """One answer of :class:`MemorySource`."""

    offset: int
    size: int | None
    chunks: Iterator[bytes]


@dataclass
class MemorySource:
    """Gives ``data``; ``cuts`` are the offsets at which successive answers break off."""

    data: bytes
    origin: str = "hub/one"
    upstream: str = "hub"
    size_known: bool = True
    ranges: bool = True
    cuts: list[int] = field(default_factory=list)
    answers: list[bytes] = field(default_factory=list)
    errors: list[SourceFailed] = field(default_factory=list)
    hold_at: int | None = None
    opened: list[int] = field(default_factory=list)
    held: threading.Event = field(default_factory=threading.Event)
    release: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def open(self, offset: int) -> Iterator[Stream]:
        self.opened.append(offset)
        if self.errors:
            raise self.errors.pop(0)
        data = self.answers.pop(0) if self.answers else self.data
        start = offset if self.ranges else 0
        cut = self.cuts.pop(0) if self.cuts else None
        yield Stream(start, len(data) if self.size_known else None, self._chunks(data, start, cut))

    def _chunks(self, data: bytes, start: int, cut: int | None) -> Iterator[bytes]:
        for position in range(start, len(data), STEP):
            if self.hold_at is not None and position >= self.hold_at:
                self.held.set()
                assert self.release.wait(30)
            if cut is not None and position >= cut:
                raise SourceFailed("interrupted", "cut", retryable=True, origin=self.upstream)
            yield data[position : position + STEP]


def order_of(
    source: MemorySource,
    *,
    digest: Digest | None = None,
    size: int | None = None,
    on_commit: Callable[[int, str | None], None] = lambda _size, _origin: None,
    on_failure: Callable[[str, str], None] = lambda _kind, _message: None,
    policy: RetryPolicy = QUICK,
) -> Order:
    """An order for the blob that ``source`` has."""
    return Order(digest or Digest.of(source.data), source, size, on_commit, on_failure, policy)
