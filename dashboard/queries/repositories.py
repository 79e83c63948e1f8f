"""Repositories: finding one among thousands."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Max, OuterRef, Q, Subquery, Sum

from cache import models, runtime
from cache.access import visibility
from cache.access.decision import Visibility
from cache.oci.reference import RepositoryName
from cache.oci.repository import Repository

#: So many stand on a page.
PAGE = 50

#: So many rows are read at once, until a page of those that fit is found.
_CHUNK = 500

#: Pulls are counted over so many days.
DAYS = 30

ORDERS = {
    "name": "name",
    "pulls": "pulls in 30 days",
    "served": "bytes served in 30 days",
    "recent": "last pull",
}
PULLED = {
    "": "at any time",
    "1": "since yesterday",
    "7": "in the last 7 days",
    "30": "in the last 30 days",
    "never": "not in the last 30 days",
}


@dataclass(frozen=True, slots=True)
class Query:
    """What is looked for. ``after`` is where the page before ended, as :class:`Found` said."""

    text: str = ""
    upstream: str = ""
    visibility: str = ""
    pulled: str = ""
    order: str = "name"
    after: str = ""


@dataclass(frozen=True, slots=True)
class Use:
    """Of the last 30 days: pulls, bytes served, and the day of the last pull."""

    pulls: int
    served: int
    last: datetime


@dataclass(frozen=True, slots=True)
class Row:
    """A repository in the list; ``size`` is what its blobs here have together."""

    id: int
    upstream: str
    name: str
    standing: Standing
    use: Use | None
    size: int


@dataclass(frozen=True, slots=True)
class Standing:
    """Whether a repository is public, and whose word that is: `fixed`, `seen` or `assumed`."""

    visibility: Visibility
    origin: str
    checked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A page of rows, and what to ask for the next one with; empty if there is none."""

    rows: list[Row]
    after: str


def find(query: Query, now: datetime) -> Found:
    """The repositories that fit."""
    used = uses(now)
    rows = _by_name(query) if query.order == "name" else _by_use(query, used)
    rules = visibility.list_rules()
    fitting: list[tuple[models.Repository, str]] = []
    for row, place in rows:
        if _fits(row, query, used.get((row.upstream, row.name)), rules, now):
            fitting.append((row, place))
            if len(fitting) > PAGE:
                break
    shown = fitting[:PAGE]
    sizes = held([row.pk for row, _ in shown])
    return Found(
        rows=[
            Row(
                id=row.pk,
                upstream=row.upstream,
                name=row.name,
                standing=standing(row, rules),
                use=used.get((row.upstream, row.name)),
                size=sizes.get(row.pk, 0),
            )
            for row, _ in shown
        ],
        after=shown[-1][1] if len(fitting) > PAGE else "",
    )


def standing(row: models.Repository, rules: visibility.Rules) -> Standing:
    """Whether it is public, without asking upstream; see :mod:`cache.pull.permission`."""
    repository = Repository(row.upstream, RepositoryName(row.name))
    for reach, found in rules:
        if reach.covers(repository):
            return Standing(found, "fixed")
    proxy = runtime.current().config.names.get(row.upstream)
    if proxy is not None and not proxy.has_credentials:
        return Standing(Visibility.PUBLIC, "assumed")
    return Standing(Visibility(row.visibility), "seen", row.visibility_checked_at)


def uses(now: datetime) -> dict[tuple[str, str], Use]:
    """What was pulled in the last 30 days, by upstream and name."""
    since = now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=DAYS - 1)
    rows = (
        models.Traffic.objects.filter(span=models.Traffic.Span.DAY, start__gte=since)
        .exclude(repository="")
        .values_list("upstream", "repository")
        .annotate(Sum("pulls"), Sum("served"), Max("start"))
    )
    return {(upstream, name): Use(*use) for upstream, name, *use in rows}


def held(repositories: list[int]) -> dict[int, int]:
    """The bytes that each has here, by primary key; what several share counts for each."""
    size = models.Blob.objects.filter(digest=OuterRef("digest")).values("size")[:1]
    rows = (
        models.BlobLink.objects.filter(repository__in=repositories)
        .annotate(size=Subquery(size))
        .values_list("repository")
        .annotate(Sum("size"))
    )
    return {repository: total or 0 for repository, total in rows}


def _by_name(query: Query) -> Iterator[tuple[models.Repository, str]]:
    """In the order of names; the place of a row is its name and primary key."""
    wanted = models.Repository.objects.order_by("name", "pk")
    if query.text:
        wanted = wanted.filter(name__icontains=query.text)
    if query.upstream:
        wanted = wanted.filter(upstream=query.upstream)
    name, _, key = query.after.rpartition(" ")
    last = (name, int(key)) if key.isdecimal() and len(key) < 19 else None
    while True:
        rows = wanted
        if last is not None:
            rows = rows.filter(Q(name__gt=last[0]) | Q(name=last[0], pk__gt=last[1]))
        chunk = list(rows[:_CHUNK])
        for row in chunk:
            yield row, f"{row.name} {row.pk}"
        if len(chunk) < _CHUNK:
            return
        last = (chunk[-1].name, chunk[-1].pk)


def _by_use(
    query: Query, used: dict[tuple[str, str], Use]
) -> Iterator[tuple[models.Repository, str]]:
    """Those with the most of it first; the place of a row is its rank."""
    text = query.text.casefold()
    keys = sorted(
        (key for key in used if text in key[1].casefold() and query.upstream in ("", key[0])),
        key=lambda key: (*_rank(query.order, used[key]), key),
    )
    begin = int(query.after) if query.after.isdecimal() and len(query.after) < 10 else 0
    for first in range(begin, len(keys), PAGE):
        chunk = keys[first : first + PAGE]
        found = {
            (row.upstream, row.name): row
            for row in models.Repository.objects.filter(name__in={name for _, name in chunk})
        }
        for number, key in enumerate(chunk, first + 1):
            if key in found:
                yield found[key], str(number)


def _rank(order: str, use: Use) -> tuple[float, ...]:
    if order == "recent":
        return (-use.last.timestamp(), -use.pulls)
    return (-use.served,) if order == "served" else (-use.pulls,)


def _fits(
    row: models.Repository, query: Query, use: Use | None, rules: visibility.Rules, now: datetime
) -> bool:
    if query.visibility:
        found = standing(row, rules).visibility.value or "unknown"
        if found != query.visibility:
            return False
    if query.pulled == "never":
        return use is None or not use.pulls
    if query.pulled:
        today = now.replace(hour=0, minute=0, second=0, microsecond=0)
        return use is not None and use.last >= today - timedelta(days=int(query.pulled))
    return True
