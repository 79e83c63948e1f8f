"""A circuit breaker: an upstream that does not answer is not waited for at every pull.

After a few failures in a row the circuit is open: requests are refused at once, and one thread
asks in their place, now and then, whether upstream is back. Its success closes the circuit.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

from cache.upstream.errors import CircuitOpen, UpstreamError

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)

FAILURES = 3
"""So many in a row open the circuit: one lost packet does not, a dead line does soon."""

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 15.0
"""Seconds between two probes: the first pause, doubled up to the longest."""


class Breaker:
    """Guards one upstream in one process. Thread-safe.

    `probe` asks upstream for next to nothing, raising UpstreamError if it is still not there;
    `pause` waits for so many seconds, and answers whether to give up for good.
    """

    def __init__(
        self,
        host: str,
        probe: Callable[[], None],
        pause: Callable[[float], bool] | None = None,
    ) -> None:
        self._host = host
        self._probe = probe
        self._closing = threading.Event()
        self._pause = pause or self._closing.wait
        self._lock = threading.Lock()
        self._failures = 0
        self._open_since: float | None = None
        self._prober: threading.Thread | None = None

    def check(self) -> None:
        """Raise CircuitOpen if upstream is not to be asked now."""
        with self._lock:
            if self._open_since is None:
                return
            seconds = round(time.monotonic() - self._open_since)
        raise CircuitOpen(f"{self._host} has not answered for {seconds} s and is being probed.")

    @property
    def is_open(self) -> bool:
        """Whether upstream is left alone now."""
        return self._open_since is not None

    def succeeded(self) -> None:
        """Upstream gave an answer, whatever it says."""
        if self._failures == 0:
            return
        with self._lock:
            self._failures = 0
            if self._open_since is None:
                return
            self._open_since = None
        log.info("%s answers again", self._host)

    def failed(self) -> None:
        """Upstream gave no answer."""
        with self._lock:
            self._failures += 1
            if self._open_since is not None or self._failures < FAILURES:
                return
            self._open_since = time.monotonic()
            self._prober = threading.Thread(
                target=self._probe_until_back, name=f"probe-{self._host}", daemon=True
            )
            self._prober.start()
        log.warning("%s does not answer: it is left alone until a probe succeeds", self._host)

    def stop(self) -> None:
        """The same, without waiting for its end."""
        self._closing.set()

    def close(self) -> None:
        """End the probing, for good."""
        self.stop()
        prober = self._prober
        if prober is not None:
            prober.join()

    def _probe_until_back(self) -> None:
        seconds = FIRST_PAUSE
        while not self._pause(seconds):
            try:
                self._probe()
            except UpstreamError as error:
                log.info("%s is still away: %s", self._host, error)
                seconds = min(2 * seconds, LONGEST_PAUSE)
            else:
                self.succeeded()
                return
