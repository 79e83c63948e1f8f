"""How the upstreams have answered this process lately: well, badly, or not at all."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace

#: How much the newest answer counts in the latency that is shown.
_WEIGHT = 0.2


@dataclass(frozen=True, slots=True)
class Contact:
    """What is known of one upstream. Moments are in seconds since the epoch.

    ``failing_since`` and ``failures`` are of the failures in a row up to now; ``problem`` is the
    last one's message, also when it has passed. ``latency`` is in seconds, a moving mean.
    """

    answered_at: float | None = None
    latency: float | None = None
    failing_since: float | None = None
    failures: int = 0
    failed_at: float | None = None
    problem: str = ""


class Contacts:
    """The contacts of this process. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._contacts: dict[str, Contact] = {}

    def answered(self, upstream: str, now: float, seconds: float | None) -> None:
        """It gave an answer, whatever it said; after ``seconds``, if that tells anything."""
        with self._lock:
            known = self._contacts.get(upstream, Contact())
            latency = known.latency
            if seconds is not None:
                latency = seconds if latency is None else latency + _WEIGHT * (seconds - latency)
            self._contacts[upstream] = replace(
                known, answered_at=now, latency=latency, failing_since=None, failures=0
            )

    def failed(self, upstream: str, now: float, problem: str) -> None:
        """It gave none that is of use."""
        with self._lock:
            known = self._contacts.get(upstream, Contact())
            self._contacts[upstream] = replace(
                known,
                failing_since=known.failing_since or now,
                failures=known.failures + 1,
                failed_at=now,
                problem=problem,
            )

    def all(self) -> Mapping[str, Contact]:
        """What is known now, by upstream."""
        with self._lock:
            return dict(self._contacts)
