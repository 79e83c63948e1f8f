"""Repositories: finding one among thousands."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db.models import F, Max, Q, QuerySet, Sum

from cache import models, runtime
from cache.access import visibility
from cache.access.decision import Visibility
from cache.oci.reference import RepositoryName
from cache.oci.repository import Repository
from dashboard.queries import pins
from dashboard.queries.pins import Kept

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
    "size": "size here",
    "recent": "last pull, newest first",
    "idle": "last pull, oldest first",
}
PULLED = {
    "": "at any time",
    "1": "in the last day",
    "7": "in the last 7 days",
    "30": "in the last 30 days",
    "never": "not in the last 30 days",
}
SIZES = {"": "any", "1": "1 MiB or more", "100": "100 MiB or more", "1024": "1 GiB or more"}
SIZES |= {"10240": "10 GiB or more", "0": "nothing here"}
PINNED = {"": "any", "yes": "pinned, or part of it", "no": "not pinned"}

#: Stands for the moment of the last pull where there was none. No blank: a view strips its texts.
_NEVER = "-"

_MIB = 1024**2
_EPOCH = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True)
class Query:
    """What is looked for. ``after`` is where the page before ended, as :class:`Found` said."""

    text: str = ""
    upstream: str = ""
    visibility: str = ""
    pinned: str = ""
    size: str = ""
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
    """A repository in the list; ``size`` is what its blobs had here together when last added up."""

    id: int
    upstream: str
    name: str
    standing: Standing
    use: Use | None
    size: int
    is_sized: bool
    pulled_at: datetime | None
    is_pinned: bool


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
    rules = visibility.list_rules()
    kept = pins.every()
    rows = _by_use(query, now) if query.order in _RANKS else _by_column(query, now)
    fitting: list[tuple[models.Repository, str]] = []
    for row, place in rows:
        if _fits(row, query, rules, kept):
            fitting.append((row, place))
            if len(fitting) > PAGE:
                break
    shown = fitting[:PAGE]
    used = uses(now, [row.name for row, _ in shown])
    return Found(
        rows=[
            Row(
                id=row.pk,
                upstream=row.upstream,
                name=row.name,
                standing=standing(row, rules),
                use=used.get((row.upstream, row.name)),
                size=row.size,
                is_sized=row.sized_at is not None,
                pulled_at=row.pulled_at,
                is_pinned=pins.is_spoken_of(row.upstream, row.name, kept),
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


def uses(now: datetime, names: Iterable[str] | None = None) -> dict[tuple[str, str], Use]:
    """What was pulled in the last 30 days, by upstream and name; of these names only, if given."""
    since = now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=DAYS - 1)
    rows = models.Traffic.objects.filter(span=models.Traffic.Span.DAY, start__gte=since)
    if names is None:
        rows = rows.exclude(repository="")
    else:
        days = [since + timedelta(days=n) for n in range(DAYS)]
        rows = rows.filter(start__in=days, repository__in=set(names) - {""})
        # Each day and upstream by itself, so that the index leads to the row.
        rows = rows.filter(upstream__in=_upstreams())
    sums = rows.values_list("upstream", "repository").annotate(
        Sum("pulls"), Sum("served"), Max("start")
    )
    return {(upstream, name): Use(*use) for upstream, name, *use in sums}


def _upstreams() -> list[str]:
    known = models.Repository.objects.order_by().values_list("upstream", flat=True)
    return list(known.distinct())


def _narrowed(query: Query, now: datetime) -> QuerySet[models.Repository]:
    """What the database can leave out by itself."""
    wanted = models.Repository.objects.all()
    if query.text:
        wanted = wanted.filter(name__icontains=query.text)
    if query.upstream:
        wanted = wanted.filter(upstream=query.upstream)
    if query.size == "0":
        wanted = wanted.filter(size=0)
    elif query.size:
        wanted = wanted.filter(size__gte=int(query.size) * _MIB)
    if query.pulled:
        days = DAYS if query.pulled == "never" else int(query.pulled)
        lately = Q(pulled_at__gte=now - timedelta(days=days))
        never = Q(pulled_at=None) | ~lately
        wanted = wanted.filter(never if query.pulled == "never" else lately)
    return wanted


def _by_column(query: Query, now: datetime) -> Iterator[tuple[models.Repository, str]]:
    """In an order that the database has an index for, a chunk at a time."""
    wanted = _narrowed(query, now)
    after = query.after
    while True:
        chunk = list(_KEYSETS[query.order](wanted, after)[:_CHUNK])
        for row in chunk:
            after = _PLACES[query.order](row)
            yield row, after
        if len(chunk) < _CHUNK:
            return


def _after_name(wanted: QuerySet[models.Repository], after: str) -> QuerySet[models.Repository]:
    name, _, key = after.rpartition(" ")
    rows = wanted.order_by("name", "pk")
    if not _is_number(key):
        return rows
    return rows.filter(Q(name__gt=name) | Q(name=name, pk__gt=int(key)))


def _after_size(wanted: QuerySet[models.Repository], after: str) -> QuerySet[models.Repository]:
    rows = wanted.order_by("-size", "-pk")
    size, _, key = after.partition(" ")
    if not (_is_number(size) and _is_number(key)):
        return rows
    return rows.filter(size__lte=int(size)).filter(Q(size__lt=int(size)) | Q(pk__lt=int(key)))


def _after_newest(wanted: QuerySet[models.Repository], after: str) -> QuerySet[models.Repository]:
    rows = wanted.exclude(pulled_at=None).order_by("-pulled_at", "-pk")
    at, _, key = after.partition(" ")
    if not (_is_number(at) and _is_number(key)):
        return rows
    last = _EPOCH + timedelta(microseconds=int(at))
    return rows.filter(pulled_at__lte=last).filter(Q(pulled_at__lt=last) | Q(pk__lt=int(key)))


def _after_oldest(wanted: QuerySet[models.Repository], after: str) -> QuerySet[models.Repository]:
    rows = wanted.order_by(F("pulled_at").asc(nulls_first=True), "pk")
    at, _, key = after.partition(" ")
    if at == _NEVER and _is_number(key):
        return rows.filter(Q(pulled_at=None, pk__gt=int(key)) | Q(pulled_at__isnull=False))
    if not (_is_number(at) and _is_number(key)):
        return rows
    last = _EPOCH + timedelta(microseconds=int(at))
    return rows.filter(pulled_at__gte=last).filter(Q(pulled_at__gt=last) | Q(pk__gt=int(key)))


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 18


def _moment(row: models.Repository) -> str:
    if row.pulled_at is None:
        return f"{_NEVER} {row.pk}"
    return f"{(row.pulled_at - _EPOCH) // timedelta(microseconds=1)} {row.pk}"


_KEYSETS = {
    "name": _after_name,
    "size": _after_size,
    "recent": _after_newest,
    "idle": _after_oldest,
}
#: The place of a row in each of these orders, from which a page goes on.
_PLACES = {
    "name": lambda row: f"{row.name} {row.pk}",
    "size": lambda row: f"{row.size} {row.pk}",
    "recent": _moment,
    "idle": _moment,
}


def _by_use(query: Query, now: datetime) -> Iterator[tuple[models.Repository, str]]:
    """Those with the most of it first; the place of a row is its rank."""
    used = uses(now)
    text = query.text.casefold()
    keys = sorted(
        (key for key in used if text in key[1].casefold() and query.upstream in ("", key[0])),
        key=lambda key: (-_RANKS[query.order](used[key]), key),
    )
    wanted = _narrowed(query, now)
    begin = int(query.after) if _is_number(query.after) else 0
    for first in range(begin, len(keys), _CHUNK):
        chunk = keys[first : first + _CHUNK]
        found = {
            (row.upstream, row.name): row
            for row in wanted.filter(name__in={name for _, name in chunk})
        }
        for number, key in enumerate(chunk, first + 1):
            if key in found:
                yield found[key], str(number)


_RANKS = {"pulls": lambda use: use.pulls, "served": lambda use: use.served}


def _fits(row: models.Repository, query: Query, rules: visibility.Rules, kept: list[Kept]) -> bool:
    """What takes more than the database to say."""
    if query.visibility:
        found = standing(row, rules).visibility.value or "unknown"
        if found != query.visibility:
            return False
    if query.pinned:
        return pins.is_spoken_of(row.upstream, row.name, kept) == (query.pinned == "yes")
    return True
