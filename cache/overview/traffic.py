"""Traffic: rates now, sums and charts of a range, the repositories with the most of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import F, Sum

from cache.models import Traffic

_Span = Traffic.Span
_MINUTE, _HOUR, _DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Range:
    """A stretch of time to look at: so many rows of a span, and the span of its repositories."""

    key: str
    title: str
    span: str
    step: timedelta
    steps: int
    repository_span: str

    @property
    def every(self) -> int:
        """Seconds after which there is something new to be seen: charts are large."""
        return 60 if self.step == _MINUTE else 600

    def starts(self, now: datetime) -> list[datetime]:
        """Where each step begins, the latest last."""
        latest = _floor(now, self.step)
        return [latest - self.step * n for n in range(self.steps - 1, -1, -1)]


RANGES = (
    Range("1h", "1 hour", _Span.MINUTE, _MINUTE, 60, _Span.HOUR),
    Range("24h", "24 hours", _Span.HOUR, _HOUR, 24, _Span.HOUR),
    Range("7d", "7 days", _Span.HOUR, _HOUR, 7 * 24, _Span.DAY),
    Range("30d", "30 days", _Span.DAY, _DAY, 30, _Span.DAY),
)


def range_of(key: str) -> Range:
    """The range with that key; the second one if there is none."""
    return next((one for one in RANGES if one.key == key), RANGES[1])


@dataclass(frozen=True, slots=True)
class Step:
    """Sums from ``start`` on; see :class:`cache.tally.Counts`."""

    start: datetime
    requests: int = 0
    pulls: int = 0
    hits: int = 0
    misses: int = 0
    stale: int = 0
    served: int = 0
    fetched: int = 0
    fetch_ms: int = 0


_SUMS = tuple(name for name in Step.__slots__ if name != "start")


@dataclass(frozen=True, slots=True)
class Totals:
    """The sums of a range, and what they mean."""

    requests: int
    pulls: int
    hits: int
    misses: int
    stale: int
    served: int
    fetched: int
    fetch_ms: int

    @property
    def hit_ratio(self) -> float | None:
        """The part of the answers that came from here; None before the first."""
        answered = self.hits + self.misses
        return self.hits / answered if answered else None

    @property
    def saved(self) -> int:
        """Bytes that clients got and the internet did not carry again."""
        return max(0, self.served - self.fetched)

    @property
    def seconds_saved(self) -> float | None:
        """Roughly how long upstream would have taken for the saved bytes, at its speed."""
        if not self.fetched or not self.fetch_ms:
            return None
        return self.saved / self.fetched * self.fetch_ms / 1000


@dataclass(frozen=True, slots=True)
class Rates:
    """Per second, over the last one to two minutes."""

    requests: float
    served: float
    fetched: float


@dataclass(frozen=True, slots=True)
class Top:
    """A repository and its share: ``part`` is of the largest one, from 0 to 1."""

    repository: str
    amount: int
    part: float


def steps(wanted: Range, now: datetime) -> list[Step]:
    """A row for each step of the range, also where nothing passed."""
    starts = wanted.starts(now)
    rows: Iterable[Mapping[str, Any]] = (
        Traffic.objects.filter(span=wanted.span, repository="", start__gte=starts[0])
        .values("start")
        .annotate(**{f"sum_{name}": Sum(name) for name in _SUMS})
    )
    found = {
        row["start"]: Step(row["start"], **{name: row[f"sum_{name}"] for name in _SUMS})
        for row in rows
    }
    return [found.get(start, Step(start)) for start in starts]


def totals(rows: list[Step]) -> Totals:
    """The sums of all rows."""
    return Totals(**{name: sum(getattr(row, name) for row in rows) for name in _SUMS})


def rates(now: datetime) -> Rates:
    """What passes now. Bytes are counted when an answer ends, so they come in lumps."""
    since = _floor(now, _MINUTE) - _MINUTE
    sums = Traffic.objects.filter(span=_Span.MINUTE, repository="", start__gte=since).aggregate(
        *(Sum(name, default=0) for name in ("requests", "served", "fetched"))
    )
    seconds = (now - since).total_seconds()
    return Rates(*(sums[f"{name}__sum"] / seconds for name in ("requests", "served", "fetched")))


def top_repositories(wanted: Range, now: datetime, by: str, limit: int = 8) -> list[Top]:
    """Those with the most ``pulls`` or the most bytes ``served``, in the range."""
    since = _floor(wanted.starts(now)[0], _DAY if wanted.repository_span == _Span.DAY else _HOUR)
    rows = (
        Traffic.objects.filter(span=wanted.repository_span, start__gte=since)
        .exclude(repository="")
        .values("upstream", "repository")
        .annotate(amount=Sum(by))
        .filter(amount__gt=0)
        .order_by(F("amount").desc(), "upstream", "repository")[:limit]
    )
    return list(_as_tops([(f"{r['upstream']}/{r['repository']}", r["amount"]) for r in rows]))


def _as_tops(found: list[tuple[str, int]]) -> Iterator[Top]:
    largest = max((amount for _, amount in found), default=1)
    for name, amount in found:
        yield Top(name, amount, amount / largest)


def _floor(moment: datetime, step: timedelta) -> datetime:
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + step * ((moment - midnight) // step)
