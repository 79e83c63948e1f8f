"""One fill per digest, however many want it."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from cache import meters
from cache.meters import families
from cache.oci.digest import Digest
from cache.streaming import filler
from cache.streaming.fill import Fill, FillState
from cache.streaming.order import Order
from cache.streaming.source import STORE_FAILED, SourceFailed
from cache.streaming.store import Store

#: So many of the last fills are remembered.
LAST_ENDED = 30


@dataclass(frozen=True, slots=True)
class Ended:
    """A fill that has ended, at ``at`` (seconds since the epoch)."""

    state: FillState
    at: float


class Coalescer:
    """The fills that run in this process; the part's lock joins them with other processes'."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._fills: dict[Digest, Fill] = {}
        self._threads: list[threading.Thread] = []
        self._ended: deque[Ended] = deque(maxlen=LAST_ENDED)

    @contextmanager
    def join(self, order: Order) -> Iterator[Fill]:
        """The running fill of ``order``'s digest, started if there is none.

        It goes on after the block, whoever leaves it; take a
        :class:`~cache.streaming.reader.Reader` inside the block to read on after it. Raises
        :class:`SourceFailed` if no fill can be started.
        """
        fill = self._enter(order)
        try:
            yield fill
        finally:
            fill.leave()

    def order_of(self, digest: Digest, origin: str) -> Order | None:
        """The order from that origin that a fill has whose blob is still to come, if any."""
        with self._lock:
            fill = self._fills.get(digest)
        return None if fill is None else fill.order_of(origin)

    def drain(self, timeout: float) -> bool:
        """Wait until the fills that run now have ended; whether they did in ``timeout`` seconds."""
        deadline = time.monotonic() + timeout
        with self._lock:
            threads = list(self._threads)
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in threads)

    def states(self) -> list[FillState]:
        """The fills that run in this process now."""
        with self._lock:
            fills = list(self._fills.values())
        return [fill.state() for fill in fills]

    def ended(self) -> list[Ended]:
        """The last fills for which this process asked upstream, the latest last."""
        return list(self._ended)

    def cancel(self, digest: Digest) -> bool:
        """Have the fill end at its next byte; whether this process is the one that asks upstream.

        What has arrived stays for the next one who wants the blob.
        """
        with self._lock:
            fill = self._fills.get(digest)
        if fill is None or not fill.fetches:
            return False
        fill.cancelled = True
        return True

    def _enter(self, order: Order) -> Fill:
        with self._lock:
            fill = self._fills.get(order.digest)
            # One that has just failed has still its report to write: it is nobody's way any more.
            if fill is None or fill.failed:
                fill = self._start(order)
            else:
                meters.add(families.JOINED, order.source.upstream)
            fill.enter(order)
            return fill

    def _start(self, order: Order) -> Fill:
        fill = Fill(order.digest)
        fill.enter()  # the filler itself: it leaves when it ends
        thread = threading.Thread(
            target=self._run, args=(order, fill), name=f"fill-{order.digest.hex[:12]}", daemon=True
        )
        try:
            thread.start()
        except RuntimeError as error:
            raise SourceFailed(STORE_FAILED, "the mirror has no thread left for a fill") from error
        self._fills[order.digest] = fill
        self._threads.append(thread)
        return fill

    def _run(self, order: Order, fill: Fill) -> None:
        try:
            filler.run(order, self._store, fill)
        finally:
            if fill.fetches:
                self._ended.append(Ended(fill.state(), time.time()))
                meters.add(families.FILLS, order.source.upstream, _result_of(fill))
            elif not fill.failed:
                # Another process has begun it, or has just ended it.
                meters.add(families.JOINED, order.source.upstream)
            with self._lock:
                if self._fills.get(order.digest) is fill:
                    del self._fills[order.digest]
                self._threads.remove(threading.current_thread())
            fill.end()
            fill.leave()


def _result_of(fill: Fill) -> str:
    """How a fill has ended; `unanswered`: upstream does not have the blob, or cannot say."""
    if not fill.failed:
        return "complete"
    return "unanswered" if fill.origin is None else "failed"
