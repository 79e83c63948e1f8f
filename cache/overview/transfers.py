"""Transfers: the fills of all processes, as one list."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cache import pulse, runtime
from cache.overview import health
from cache.pulse import Pulse, Transfer

MOST_ENDED = 50


@dataclass(frozen=True, slots=True)
class Filling:
    """A blob on its way. Bytes, bytes per second, and moments in epoch seconds.

    ``readers`` are those of all processes; ``resumed`` is how often upstream's answer was cut and
    continued.
    """

    digest: str
    repository: str
    size: int | None
    arrived: int
    speed: float
    readers: int
    resumed: int
    started_at: float

    @property
    def part(self) -> float | None:
        """How much of it is here, from 0 to 1; None if its size is not known."""
        return self.arrived / self.size if self.size else None

    @property
    def seconds_left(self) -> float | None:
        """At this speed."""
        if not self.size or self.speed < 1:
            return None
        return max(0, self.size - self.arrived) / self.speed


@dataclass(frozen=True, slots=True)
class Ended:
    """A transfer that is over: whole, or with the ``problem`` that ended it."""

    digest: str
    repository: str
    arrived: int
    speed: float
    resumed: int
    ended_at: float
    problem: str | None


def under_way(found: list[Pulse], now: datetime) -> list[Filling]:
    """The fills that go on now, the one that began first on top."""
    by_digest: dict[str, list[Transfer]] = {}
    for one in health.living(found, now):
        for transfer in one.transfers:
            by_digest.setdefault(transfer.digest, []).append(transfer)
    fillings = [_joined(transfers) for transfers in by_digest.values()]
    return sorted(fillings, key=lambda filling: (filling.started_at, filling.digest))


def _joined(transfers: list[Transfer]) -> Filling:
    # The process that asks upstream knows best; the others follow it.
    best = max(transfers, key=lambda one: (one.fetches, one.arrived))
    return Filling(
        digest=best.digest,
        repository=best.origin,
        size=best.size,
        arrived=best.arrived,
        speed=best.speed,
        readers=sum(one.readers for one in transfers),
        resumed=max(0, best.answers - 1),
        started_at=min(one.started_at for one in transfers),
    )


def ended(found: list[Pulse]) -> list[Ended]:
    """The last transfers that are over, the latest first."""
    rows = [
        Ended(
            digest=one.digest,
            repository=one.origin,
            arrived=one.arrived,
            speed=one.speed,
            resumed=max(0, one.answers - 1),
            ended_at=one.ended_at or pulse.at,
            problem=one.problem,
        )
        for pulse in found
        for one in pulse.ended
    ]
    return sorted(rows, key=lambda row: -row.ended_at)[:MOST_ENDED]


def cancel(digest: str, now: datetime) -> bool:
    """Ask the process that fetches the blob to stop; whether one does. Raises ``OSError``."""
    if all(one.digest != digest for one in under_way(health.pulses(), now)):
        return False
    folder = pulse.folder_of(runtime.current().config.storage.root)
    pulse.wish_cancel(folder, digest, now.timestamp())
    return True
