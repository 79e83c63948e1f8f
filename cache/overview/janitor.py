"""The janitor: what it did last, when it comes again, and what is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Sum

from cache import retention
from cache.models import JanitorRun

#: It is late when it has not come for so long after its time.
_LATE = timedelta(minutes=10)

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class JanitorHealth:
    """``state`` is `ok`, `warn`, `away` or `unknown` (it has not come yet); sizes in bytes.

    ``images``, ``blobs`` and ``size`` are what went in the last run, which ended at ``ended_at``;
    ``freed`` is what went in a day; ``over`` and ``short`` what was still too much, and too little
    free. ``working_since`` is set while a run goes on, ``next_at`` while none does.
    """

    state: str = "unknown"
    ended_at: datetime | None = None
    images: int = 0
    blobs: int = 0
    size: int = 0
    freed: int = 0
    held: int | None = None
    over: int = 0
    short: int = 0
    working_since: datetime | None = None
    next_at: datetime | None = None
    is_late: bool = False
    problem: str = ""


def health(now: datetime) -> JanitorHealth:
    """As its records of itself say."""
    latest = JanitorRun.objects.order_by("-pk").first()
    if latest is None:
        return JanitorHealth()
    ended = JanitorRun.objects.exclude(ended_at=None).order_by("-pk").first()
    interval = timedelta(seconds=retention.INTERVAL)
    due = (latest.ended_at or latest.began_at) + interval
    is_late = now > due + _LATE
    if ended is None:
        return JanitorHealth(
            state="warn" if is_late else "ok", working_since=latest.began_at, is_late=is_late
        )
    freed = JanitorRun.objects.filter(ended_at__gte=now - _DAY).aggregate(size=Sum("size"))["size"]
    is_working = latest.ended_at is None and not is_late
    state = "away" if ended.problem else "warn" if is_late or ended.over or ended.short else "ok"
    return JanitorHealth(
        state=state,
        ended_at=ended.ended_at,
        images=ended.images,
        blobs=ended.blobs,
        size=ended.size,
        freed=freed or 0,
        held=None if ended.problem else ended.held,
        over=ended.over,
        short=ended.short,
        working_since=latest.began_at if is_working else None,
        next_at=None if is_working or is_late else due,
        is_late=is_late,
        problem=ended.problem,
    )
