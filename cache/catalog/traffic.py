"""Traffic and outages: written down in batches, beside the pulls."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from django.db import connection
from django.db.models import Count, Sum

from cache import models
from cache.database import note, question
from cache.oci.repository import Repository
from cache.tally import NAMES, Counts

_Span = models.Traffic.Span

#: How long the rows of a span are kept: those of whole upstreams, and those of repositories.
_KEPT = {
    _Span.MINUTE: (timedelta(days=2), timedelta(days=2)),
    _Span.HOUR: (timedelta(days=90), timedelta(days=8)),
    _Span.DAY: (timedelta(days=800), timedelta(days=400)),
}


_QUOTAS_KEPT = timedelta(days=8)


def floor(moment: datetime, span: str) -> datetime:
    """Where the minute, hour or day that holds the moment begins."""
    if span == _Span.MINUTE:
        return moment.replace(second=0, microsecond=0)
    if span == _Span.HOUR:
        return moment.replace(minute=0, second=0, microsecond=0)
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


@note
def add_traffic(counted: Mapping[Repository, Counts], now: datetime) -> None:
    """Add to the rows of this minute, hour and day."""
    sums: dict[tuple[str, str, str], Counts] = {}
    for repository, counts in counted.items():
        upstream, name = repository.upstream, str(repository.name)
        for key in (
            (_Span.MINUTE, upstream, ""),
            *((span, upstream, one) for span in (_Span.HOUR, _Span.DAY) for one in ("", name)),
        ):
            sums.setdefault(key, Counts()).add(counts)
    # In order, so that no two processes wait for each other's rows in PostgreSQL.
    rows = [
        (span, _stored(floor(now, span)), upstream, name, *(getattr(sums[key], n) for n in NAMES))
        for key in sorted(sums)
        for span, upstream, name in [key]
    ]
    with connection.cursor() as cursor:
        cursor.executemany(_ADD, rows)


@note
def expire_traffic(now: datetime) -> None:
    """Remove the rows that are too old to be shown."""
    for span, (of_upstreams, of_repositories) in _KEPT.items():
        rows = models.Traffic.objects.filter(span=span)
        rows.filter(start__lt=now - of_upstreams).delete()
        if of_repositories != of_upstreams:
            rows.filter(start__lt=now - of_repositories).exclude(repository="").delete()
    models.QuotaSample.objects.filter(start__lt=now - _QUOTAS_KEPT).delete()


@note
def record_disk(used: int, free: int, now: datetime) -> None:
    """How full the store's file system is (bytes), and what is held, once an hour.

    Of a million blobs the sum takes a moment, which is why no page asks for it.
    """
    hour = floor(now, _Span.HOUR)
    if models.DiskSample.objects.filter(hour=hour).exists():
        return
    held = models.Blob.objects.aggregate(size=Sum("size", default=0), blobs=Count("pk"))
    sample = models.DiskSample(
        hour=hour, used=used, free=free, held=held["size"], blobs=held["blobs"]
    )
    models.DiskSample.objects.bulk_create([sample], ignore_conflicts=True)
    models.DiskSample.objects.filter(hour__lt=now - timedelta(days=400)).delete()


@note
def record_quota(upstream: str, total: int, remaining: int, start: datetime) -> None:
    """What is left of an upstream's quota in the ten minutes from ``start`` on: the least of it."""
    sample = models.QuotaSample(upstream=upstream, start=start, total=total, remaining=remaining)
    models.QuotaSample.objects.bulk_create([sample], ignore_conflicts=True)
    models.QuotaSample.objects.filter(
        upstream=upstream, start=start, remaining__gt=remaining
    ).update(total=total, remaining=remaining)


@note
def record_outage(upstream: str, since: datetime, last: datetime, problem: str) -> None:
    """The upstream gives no useful answers, from ``since`` to ``last`` at least.

    Not if it has answered since then: another process may not know of that yet.
    """
    if models.Outage.objects.filter(upstream=upstream, ended_at__gte=last).exists():
        return
    models.Outage.objects.bulk_create(
        [models.Outage(upstream=upstream, began_at=since, last_at=last, problem=problem)],
        ignore_conflicts=True,
    )
    models.Outage.objects.filter(upstream=upstream, ended_at__isnull=True, last_at__lt=last).update(
        last_at=last, problem=problem
    )


@note
def end_outage(upstream: str, at: datetime) -> None:
    """The upstream answered at that moment."""
    over = models.Outage.objects.filter(upstream=upstream, ended_at__isnull=True, last_at__lt=at)
    over.update(ended_at=at)


@question
def ongoing_outages() -> set[str]:
    """The upstreams that are known to be away."""
    rows = models.Outage.objects.filter(ended_at__isnull=True)
    return set(rows.values_list("upstream", flat=True))


def _stored(moment: datetime) -> str | datetime:
    """As the database's driver takes it, past Django's own fields."""
    return connection.ops.adapt_datetimefield_value(moment) or moment


def _columns() -> Iterator[str]:
    yield from ("span", "start", "upstream", "repository", *NAMES)


_TABLE = "cache_traffic"
#: Both databases know this form; Django has no way to say it.
_ADD = (
    f"INSERT INTO {_TABLE} ({', '.join(_columns())}) "  # noqa: S608 - names of our own
    f"VALUES ({', '.join('%s' for _ in _columns())}) "
    "ON CONFLICT (span, start, upstream, repository) DO UPDATE SET "
    + ", ".join(f"{name} = {_TABLE}.{name} + excluded.{name}" for name in NAMES)
)
