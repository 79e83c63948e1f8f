"""All of it at one moment, as `manage.py status` shows it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from django.db import Error as DatabaseError

from cache import runtime
from cache.overview import health, traffic, transfers
from cache.overview import janitor as keeper
from cache.overview.health import Disk, UpstreamHealth, Verdict
from cache.overview.janitor import JanitorHealth
from cache.overview.traffic import Rates, Totals
from cache.overview.transfers import Ended, Filling

#: Sums are of the last day, by the hour.
OVER = traffic.range_of("24h")


@dataclass(frozen=True, slots=True)
class Recorded:
    """What the database says."""

    rates: Rates
    totals: Totals
    disk: Disk | None
    janitor: JanitorHealth


@dataclass(frozen=True, slots=True)
class Standing:
    """The running mirror at ``at``, of which so many ``processes`` serve.

    ``recorded`` is None where the database does not answer, and ``problem`` says why. Of the
    ``ended`` transfers the latest come first; ``arriving`` is the bytes per second of all fills.
    """

    at: datetime
    root: str
    processes: int
    upstreams: list[UpstreamHealth]
    fillings: list[Filling]
    ended: list[Ended]
    recorded: Recorded | None
    problem: str

    @property
    def arriving(self) -> float:
        return sum(one.speed for one in self.fillings)

    @property
    def verdict(self) -> Verdict:
        """How it is, in a word and a sentence."""
        if self.recorded is None:
            return Verdict("away", f"The database does not answer: {self.problem}")
        return health.verdict(self.upstreams, self.recorded.disk, self.recorded.janitor)

    def facts(self) -> dict[str, Any]:
        """The same for programs; moments are aware datetimes."""
        recorded = asdict(self.recorded) if self.recorded else None
        if self.recorded and recorded:
            recorded["totals"]["hit_ratio"] = self.recorded.totals.hit_ratio
            recorded["totals"]["saved"] = self.recorded.totals.saved
        return {
            "at": self.at,
            "root": self.root,
            "verdict": asdict(self.verdict),
            "processes": self.processes,
            "arriving": self.arriving,
            "transfers": [asdict(one) for one in self.fillings],
            "ended": [asdict(one) for one in self.ended],
            "upstreams": [asdict(one) for one in self.upstreams],
            **(recorded or dict.fromkeys(Recorded.__slots__)),
        }


def standing(now: datetime) -> Standing | None:
    """How the mirror is; None if none runs here. Raises ``OSError``."""
    mirror = runtime.current()
    processes = mirror.roll.present()
    if not processes:
        return None
    found = health.pulses()
    problem = ""
    try:
        house = keeper.health(now)
        recorded: Recorded | None = Recorded(
            rates=traffic.rates(now),
            totals=traffic.totals(traffic.steps(OVER, now)),
            disk=health.disk(now, house),
            janitor=house,
        )
    except DatabaseError as error:
        recorded, problem = None, " ".join(str(error).split())
    return Standing(
        at=now,
        root=str(mirror.config.storage.root),
        processes=processes,
        upstreams=health.upstreams(found),
        fillings=transfers.under_way(found, now),
        ended=transfers.ended(found),
        recorded=recorded,
        problem=problem,
    )
