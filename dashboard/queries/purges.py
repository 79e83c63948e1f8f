"""Purges: those that were ordered, what each shows, and everything that was ever removed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db.models import Count, Q, Sum

from cache import runtime, wording
from cache.models import PurgeItem, PurgeOrder, Removal
from cache.retention import orders

#: So many orders, items of one, and removals stand on a page.
ORDERS = 10
ITEMS = 50
REMOVALS = 50

_DAY = 86_400

State = PurgeOrder.State
Outcome = PurgeItem.Outcome


@dataclass(frozen=True, slots=True)
class Order:
    """A purge and how far it is. ``state`` is that of :class:`cache.models.PurgeOrder`.

    ``expected`` bytes were shown to come back, ``freed`` came. Of ``total`` items ``settled`` had
    their turn; ``pinned`` of them took a second word when they were shown, and ``kept`` says how
    many stayed, and why.
    """

    number: int
    state: str
    title: str
    by: str
    why: str
    asked_at: datetime
    shown_at: datetime | None
    ended_at: datetime | None
    problem: str
    is_second_try: bool
    is_confirmed: bool
    is_too_old: bool
    is_stopping: bool
    images: int
    blobs: int
    expected: int
    freed: int
    total: int
    gone: int
    settled: int
    pinned: int
    with_pinned: bool
    kept: tuple[tuple[str, int], ...]

    @property
    def is_moving(self) -> bool:
        """Whether it changes by itself."""
        return self.state in orders.MOVING

    @property
    def alone(self) -> int:
        """How many of the items are blobs of no image."""
        return self.total - self.images

    @property
    def part(self) -> float:
        """How much of it is done, from 0 to 1."""
        return self.settled / max(1, self.total)


@dataclass(frozen=True, slots=True)
class Item:
    """A thing that goes, or stays: ``says`` what came of it, empty before its turn."""

    title: str
    digest: str
    is_image: bool
    pulled_at: datetime
    blobs: int
    size: int
    shared: int
    shared_with: tuple[str, ...]
    others: int
    is_pinned: bool
    is_gone: bool
    freed: int
    says: str


@dataclass(frozen=True, slots=True)
class Items:
    """A page of items; ``after`` leads to the next, if there is one."""

    rows: list[Item]
    after: str


@dataclass(frozen=True, slots=True)
class Removals:
    """A page of what was removed, the latest first; ``after`` leads to the next."""

    rows: list[Removal]
    after: str


#: Why something stayed that was shown to go.
SAYS = {
    Outcome.MISSING: "was gone already",
    Outcome.PULLED: "kept: it was pulled since it was shown",
    Outcome.PINNED: "kept: it is pinned",
    Outcome.LEFT: "kept: it is in use, or need not go any more",
}


def latest() -> list[Order]:
    """The last orders."""
    return [_order(row) for row in PurgeOrder.objects.order_by("-pk")[:ORDERS]]


def one(number: int) -> Order | None:
    """An order; None if there is none, or not any more."""
    row = PurgeOrder.objects.filter(pk=number).first()
    return None if row is None else _order(row)


def _order(row: PurgeOrder) -> Order:
    found = {
        outcome: (count, freed or 0)
        for outcome, count, freed in row.items.values_list("outcome").annotate(
            Count("pk"), Sum("freed")
        )
    }
    total = sum(count for count, _ in found.values())
    now = runtime.current().now()
    is_shown = row.state == State.SHOWN
    return Order(
        number=row.pk,
        state=row.state,
        title=title_of(row),
        by=row.by,
        why=row.why,
        asked_at=row.asked_at,
        shown_at=row.shown_at,
        ended_at=row.ended_at,
        problem=row.problem,
        is_second_try=row.attempts > 1,
        is_confirmed=row.confirmed_at is not None,
        is_too_old=is_shown and row.shown_at is not None and now - row.shown_at > orders.SHOWN_FOR,
        is_stopping=row.is_to_stop,
        images=row.images,
        blobs=row.blobs,
        expected=row.size,
        freed=sum(freed for _, freed in found.values()),
        total=total,
        gone=found.get(Outcome.GONE, (0, 0))[0],
        settled=total - found.get("", (0, 0))[0],
        pinned=row.items.filter(is_pinned=True).count() if is_shown else 0,
        with_pinned=row.with_pinned,
        kept=tuple((SAYS[one], found[one][0]) for one in SAYS if one in found),
    )


def title_of(row: PurgeOrder) -> str:
    """What was asked for, in words."""
    since = "" if row.unused_for is None else f"not pulled for {_days(row.unused_for)}"
    if row.what:
        return f"{row.what}, as far as {since}" if since else row.what
    if since:
        return f"everything {since}"
    return f"{wording.size(row.to_free or 0)} of what was pulled longest ago"


def _days(seconds: int) -> str:
    days = seconds // _DAY
    return f"{days} day{'s' * (days != 1)}"


def items(number: int, after: str) -> Items:
    """What one order removes, in its order."""
    last = int(after) if after.isdecimal() and len(after) < 10 else -1
    rows = PurgeItem.objects.filter(order=number, place__gt=last).order_by("place")
    found = list(rows[: ITEMS + 1])
    shown = found[:ITEMS]
    return Items(
        rows=[_item(row) for row in shown],
        after=str(shown[-1].place) if len(found) > ITEMS else "",
    )


def _item(row: PurgeItem) -> Item:
    names = tuple(filter(None, row.shared_with.split("\n")))
    return Item(
        title=title_of_content(row.upstream, row.repository, row.tags, row.digest),
        digest=row.digest,
        is_image=row.is_image,
        pulled_at=row.pulled_at,
        blobs=row.blobs,
        size=row.size,
        shared=row.shared,
        shared_with=names,
        others=row.sharers - len(names),
        is_pinned=row.is_pinned,
        is_gone=row.outcome == Outcome.GONE,
        freed=row.freed,
        says=SAYS.get(Outcome(row.outcome), "") if row.outcome else "",
    )


def title_of_content(upstream: str, repository: str, tags: str, digest: str) -> str:
    """What an image, or a blob of a repository, is called: with its tags, or its digest."""
    place = f"{upstream}/{repository}" if repository else ""
    algorithm, _, hexadecimal = digest.partition(":")
    named = ", ".join(f":{tag}" for tag in tags.split())
    return f"{place}{named}" if named else f"{place}@{algorithm}:{hexadecimal[:12]}".lstrip("@")


def removals(reason: str, repository: str, after: str) -> Removals:
    """What was removed, by whomever; of one reason, or of the repositories of that name."""
    rows = Removal.objects.order_by("-at", "-pk")
    if reason:
        rows = rows.filter(reason=reason)
    if repository:
        rows = rows.filter(repository=repository)
    place = _place(after)
    if place is not None:
        at, key = place
        rows = rows.filter(at__lte=at).filter(Q(at__lt=at) | Q(pk__lt=key))
    found = list(rows[: REMOVALS + 1])
    shown = found[:REMOVALS]
    if len(found) <= REMOVALS:
        return Removals(shown, "")
    last = shown[-1]
    return Removals(shown, f"{_microseconds(last.at)}-{last.pk}")


def _place(after: str) -> tuple[datetime, int] | None:
    at, _, key = after.partition("-")
    if not (at.isdecimal() and key.isdecimal() and len(at) < 18 and len(key) < 19):
        return None
    return _EPOCH + timedelta(microseconds=int(at)), int(key)


_EPOCH = datetime.fromtimestamp(0, UTC)


def _microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)
