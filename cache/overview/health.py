"""Health: the mirror's processes, its upstreams, its disk, and what went wrong lately."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import Sum

from cache import pulse, runtime
from cache.config import Proxy, capacity
from cache.models import DiskSample, Incident, Outage, Traffic
from cache.overview.janitor import JanitorHealth
from cache.pulse import Pulse

#: One failure is not shown as trouble: a request may be lost.
_FAILURES = 2

#: A forecast needs so many samples of the disk, over so long.
_LEAST_SAMPLES = 6
_FORECAST_OVER = timedelta(days=7)
#: Nobody plans for what is further away.
_FURTHEST = timedelta(days=365)

_NEARLY_FULL = 0.9


@dataclass(frozen=True, slots=True)
class UpstreamHealth:
    """How an upstream answers: ``state`` is `ok`, `away`, `offline` or `unknown` (not asked yet).

    ``latency`` is in seconds; ``problem`` is the last one, at ``problem_at``. Of its quota,
    ``remaining`` of ``limit`` requests are left until ``renews_at``; nothing is asked for before
    ``held_until``. What is not known is None. So many processes (``left_alone_by``) ask for nothing
    there, since it gave no answer, until it answers a probe.
    """

    name: str
    url: str
    state: str
    latency: float | None
    answered_at: datetime | None
    since: datetime | None
    problem: str
    problem_at: datetime | None
    limit: int | None
    remaining: int | None
    renews_at: datetime | None
    held_until: datetime | None
    left_alone_by: int = 0

    @property
    def part_left(self) -> float:
        """Of the quota, from 0 to 1."""
        return (self.remaining or 0) / max(1, self.limit or 0)


@dataclass(frozen=True, slots=True)
class Disk:
    """The store's file system (bytes), what the store holds, and when it is full at this pace.

    ``held`` is as of ``held_at``, None before the first look. ``limit`` is how large the store may
    be, None for any size; ``reserve`` what is to stay free. With ``is_forecast`` there is enough to
    go by; without ``full_at``, when the first of the limits is reached, none is within a year.
    """

    used: int
    free: int
    held: int | None
    held_at: datetime | None
    limit: int | None
    reserve: int
    is_forecast: bool
    full_at: datetime | None
    days_left: int | None

    @property
    def part_of_limit(self) -> float:
        """How much of what the store may hold it does hold, from 0 to 1."""
        return (self.held or 0) / max(1, self.limit or 0)

    @property
    def is_limited(self) -> bool:
        """Whether something goes before the disk is full to the last byte."""
        return self.limit is not None or self.reserve > 0

    @property
    def is_short(self) -> bool:
        """Whether less is free than is to stay so."""
        return self.free < self.reserve

    @property
    def part_used(self) -> float:
        """From 0 to 1."""
        return self.used / max(1, self.used + self.free)

    @property
    def is_nearly_full(self) -> bool:
        """Whether somebody should do something."""
        return self.part_used > _NEARLY_FULL


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that went wrong. ``kind`` is `outage` or one of a lost blob's kinds.

    ``pulls`` of tags were served stale meanwhile, None where that is not known any more; ``count``
    is how often it happened.
    """

    kind: str
    subject: str
    began_at: datetime
    ended_at: datetime | None
    detail: str
    pulls: int | None = None
    count: int = 1


@dataclass(frozen=True, slots=True)
class Verdict:
    """The whole state in a word (`ok`, `warn`, `away`) and a sentence."""

    state: str
    sentence: str


def pulses() -> list[Pulse]:
    """All processes that are or were there, the latest first."""
    return pulse.read(pulse.folder_of(runtime.current().config.storage.root))


def living(found: list[Pulse], now: datetime) -> list[Pulse]:
    """Those that are there."""
    return [one for one in found if one.is_alive(now.timestamp())]


def workers() -> int:
    """How many worker processes there should be."""
    return capacity.workers(os.environ)


def upstreams(found: list[Pulse]) -> list[UpstreamHealth]:
    """Every configured upstream, as all processes together know it."""
    lately = [one for one in found if one.is_alive(found[0].at)]
    return [
        _health(
            proxy,
            [one.upstreams[proxy.name] for one in found if proxy.name in one.upstreams],
            sum(bool(one.upstreams.get(proxy.name, {}).get("is_left_alone")) for one in lately),
        )
        for proxy in runtime.current().config.upstreams
    ]


def _health(proxy: Proxy, contacts: list[Any], left_alone_by: int) -> UpstreamHealth:
    answered = max((c["answered_at"] for c in contacts if c["answered_at"]), default=None)
    failing = [
        c
        for c in contacts
        if c["failing_since"] and c["failures"] >= _FAILURES and c["failed_at"] > (answered or 0)
    ]
    last = max((c for c in contacts if c["failed_at"]), key=lambda c: c["failed_at"], default=None)
    latencies = [c["latency"] for c in contacts if c["latency"] is not None]
    state = "away" if failing else "ok" if answered else "unknown"
    quota = runtime.current().upstreams[proxy.name].quota()
    return UpstreamHealth(
        name=proxy.name,
        url=proxy.remoteurl,
        state="offline" if proxy.offline else state,
        latency=sum(latencies) / len(latencies) if latencies else None,
        answered_at=_moment(answered),
        since=_moment(min((c["failing_since"] for c in failing), default=None)),
        problem=last["problem"] if last else "",
        problem_at=_moment(last["failed_at"] if last else None),
        limit=quota.limit,
        remaining=quota.remaining,
        renews_at=quota.renews_at,
        held_until=quota.held_until,
        left_alone_by=left_alone_by,
    )


def disk(now: datetime, keeper: JanitorHealth) -> Disk | None:
    """The disk now; None if it cannot be looked at. What it holds, the janitor found last."""
    try:
        found = os.statvfs(runtime.current().config.storage.root)
    except OSError:
        return None
    free = found.f_bavail * found.f_frsize
    used = (found.f_blocks - found.f_bfree) * found.f_frsize
    wanted = runtime.current().config.retention
    reserve = wanted.min_free.of(used + free)
    samples = list(DiskSample.objects.filter(hour__gte=now - _FORECAST_OVER).order_by("hour"))
    latest = samples[-1] if samples else None
    held, held_at = keeper.held, keeper.ended_at
    if held is None and latest is not None:
        held, held_at = latest.held, latest.hour
    ends = [_forecast([(each.hour, each.used) for each in samples], max(0, free - reserve), now)]
    if wanted.max_size is not None and held is not None:
        left = max(0, wanted.max_size - held)
        ends.append(_forecast([(each.hour, each.held) for each in samples], left, now))
    full_at = min((end for end in ends if end is not None), default=None)
    return Disk(
        used=used,
        free=free,
        held=held,
        held_at=held_at,
        limit=wanted.max_size,
        reserve=reserve,
        is_forecast=len(samples) >= _LEAST_SAMPLES,
        full_at=full_at,
        days_left=None if full_at is None else (full_at - now).days,
    )


def _forecast(samples: list[tuple[datetime, int]], free: int, now: datetime) -> datetime | None:
    """When the free bytes are gone, if it goes on as on the straight line through the samples."""
    if len(samples) < _LEAST_SAMPLES:
        return None
    hours = [(at - samples[0][0]).total_seconds() / 3600 for at, _ in samples]
    mean_hour = sum(hours) / len(hours)
    mean_used = sum(used for _, used in samples) / len(samples)
    spread = sum((hour - mean_hour) ** 2 for hour in hours)
    slope = (
        sum(
            (h - mean_hour) * (used - mean_used)
            for h, (_, used) in zip(hours, samples, strict=True)
        )
        / spread
    )
    if slope <= 0 or free / slope > _FURTHEST.total_seconds() / 3600:
        return None
    return now + timedelta(hours=free / slope)


def verdict(upstreams: list[UpstreamHealth], disk: Disk | None, keeper: JanitorHealth) -> Verdict:
    """How it is, for somebody who reads no further."""
    away = [one.name for one in upstreams if one.state == "away"]
    if disk is None:
        return Verdict("away", "The mirror works, but its store cannot be looked at.")
    if away:
        names = ", ".join(away)
        verb = "does" if len(away) == 1 else "do"
        return Verdict(
            "away", f"{names} {verb} not give useful answers: what is held here can be pulled."
        )
    if keeper.problem or keeper.is_late:
        return Verdict("warn", "The mirror works, but its janitor does not: nothing is evicted.")
    # A little less is free now and then: what counts is that the janitor could not help it.
    if disk.is_short and keeper.short:
        return Verdict(
            "warn",
            "The mirror works, but keeps nothing new: less of its disk is free than is to stay so.",
        )
    if keeper.over:
        return Verdict("warn", "The mirror works, but its store is larger than it may be.")
    if disk.is_nearly_full:
        return Verdict("warn", "The mirror works, but its disk is nearly full.")
    return Verdict("ok", "The mirror works.")


def happenings(now: datetime, limit: int = 8) -> list[Happening]:
    """What went wrong last, the latest first."""
    outages = [
        Happening(
            kind="outage",
            subject=row.upstream,
            began_at=row.began_at,
            ended_at=row.ended_at,
            detail=row.problem,
            pulls=_served_meanwhile(row, now),
        )
        for row in Outage.objects.order_by("-began_at")[:limit]
    ]
    lost = [
        Happening(
            kind=row.kind,
            subject=f"{row.upstream}/{row.repository}",
            began_at=row.first_at,
            ended_at=row.last_at,
            detail=row.message,
            count=row.count,
        )
        for row in Incident.objects.order_by("-last_at")[:limit]
    ]
    found = sorted(outages + lost, key=lambda one: one.ended_at or now, reverse=True)
    return found[:limit]


def _served_meanwhile(outage: Outage, now: datetime) -> int | None:
    """Pulls that were answered all the same, to the minute; None when that is forgotten."""
    if now - outage.began_at > timedelta(days=2):
        return None
    rows = Traffic.objects.filter(
        span=Traffic.Span.MINUTE,
        upstream=outage.upstream,
        repository="",
        start__gte=outage.began_at.replace(second=0, microsecond=0),
        start__lte=outage.ended_at or now,
    )
    return int(rows.aggregate(stale=Sum("stale", default=0))["stale"])


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
