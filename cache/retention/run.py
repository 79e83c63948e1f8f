"""One run: what has expired goes, then the oldest, until the store is as small as it is to be."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from django.db.models import Count, Sum

from cache import catalog, meters, models, runtime
from cache.database import note, question
from cache.meters import families
from cache.retention import reserve
from cache.retention.evict import Removed, evict, remove_doomed
from cache.retention.pins import list_pins
from cache.retention.plan import Planner, Target, Unit
from cache.retention.policy import Image, Key, LoneBlob, Policy, key_of, policy_of
from cache.streaming.flight import exclusive_file, lock_file

log = logging.getLogger(__name__)

#: Another run is waited for so long (seconds).
TURN = 600.0

#: The clocks of machines that share a database differ by no more than this.
_SKEW = timedelta(minutes=1)

#: A process has so long (seconds) to write down what was pulled through it.
_ROLL_PATIENCE = 5.0


class Busy(Exception):
    """Another run is at work and does not end."""


@contextmanager
def alone() -> Iterator[None]:
    """Remove something while nobody else does, here or in another process.

    Raises :class:`Busy`, and ``OSError`` where nobody can: on a store that cannot be written to.
    """
    with exclusive_file(lock_file(runtime.current().locks, "retention"), TURN) as is_alone:
        if not is_alone:
            raise Busy("another eviction is at work")
        yield


@dataclass(frozen=True, slots=True)
class Use:
    """What the store holds and what its disk has free, in bytes."""

    held: int
    disk: int
    free: int


@dataclass(frozen=True, slots=True)
class Summary:
    """What a run has done, or would do: numbers, and sizes in bytes.

    over, short: what was still too much, and too little, at its end.
    """

    dry_run: bool = False
    images: int = 0
    blobs: int = 0
    size: int = 0
    held: int = 0
    over: int = 0
    short: int = 0


@dataclass(slots=True)
class Run:
    """A run under a policy. ``by`` is who wants it.

    wanted: bytes for which there is to be room besides. among: if not None, nothing else may go,
    and this only if it was not pulled since the moment that stands with it. on_removed is told of
    each unit that goes, on_progress how many bytes have gone; pause is called between steps.
    """

    policy: Policy
    by: str
    dry_run: bool = False
    wanted: int = 0
    among: Mapping[Key, datetime] | None = None
    on_removed: Callable[[Removed], None] = lambda _removed: None
    on_progress: Callable[[int], None] = lambda _size: None
    pause: Callable[[], None] = lambda: None
    summary: Summary = field(init=False)
    _late: set[str] = field(init=False, default_factory=set)

    def __post_init__(self) -> None:
        self.summary = Summary(dry_run=self.dry_run)

    def now(self) -> Summary:
        """Do it. Raises :class:`Busy`, ``OSError``, :class:`~cache.retention.evict.NotTaken` and
        ``django.db.Error``; what was removed before that stays removed.
        """
        if self.dry_run:
            # It is in nobody's way: whoever reads what it prints may take his time.
            target = self._work()
        else:
            with reserve.drawn_upon() as owed, alone():
                remove_doomed(runtime.current().store)
                target = self._work(owed)
        use = measure()
        held = use.held - (self.summary.size if self.dry_run else 0)
        over, short = max(0, target.over), max(0, target.short)
        self.summary = replace(self.summary, held=held, over=over, short=short)
        return self.summary

    def _work(self, owed: int = 0) -> Target:
        """All of it; ``owed`` bytes must be free besides."""
        self._gather_pulls()
        now = runtime.current().now()
        if not self.dry_run:
            _correct_times(now)
        planner = Planner(self.policy, now, self._may_go)
        for step in planner.expired():
            self._carry_out(step, planner)
        target = self._target(now, self.wanted + owed)
        for step in planner.oldest(target):
            size = sum(unit.size for unit in step)
            target.take(self._carry_out(step, planner) - size)
        return target

    def _carry_out(self, step: list[Unit], planner: Planner) -> int:
        """Remove what the step says; the bytes that went."""
        self.pause()
        if not step:
            return 0
        if self.dry_run:
            removed = [Removed(unit, len(unit.blobs), unit.size) for unit in step]
        else:
            self._gather_pulls()
            mirror = runtime.current()
            removed = evict(step, mirror.store, self.by, mirror.now(), self.policy)
            planner.carried_out()
        size = sum(each.size for each in removed)
        self.summary = replace(
            self.summary,
            images=self.summary.images + sum(isinstance(r.unit.subject, Image) for r in removed),
            blobs=self.summary.blobs + sum(each.blobs for each in removed),
            size=self.summary.size + size,
        )
        for each in removed:
            self.on_removed(each)
        self.on_progress(self.summary.size)
        return size

    def _gather_pulls(self) -> None:
        # Who did not answer once is passed over from then on.
        self._late |= gather_pulls(self._late)

    def _may_go(self, subject: Image | LoneBlob) -> bool:
        if self.among is None:
            return True
        then = self.among.get(key_of(subject))
        return then is not None and subject.pulled_at <= then

    def _target(self, now: datetime, wanted: int) -> Target:
        use = measure()
        # What a dry run has decided so far is there still.
        gone = self.summary.size if self.dry_run else 0
        over = use.held - gone - self.policy.max_size if self.policy.max_size is not None else 0
        missing = self.policy.min_free.of(use.disk) + wanted - use.free - gone
        return Target(over, missing, self.policy, now)


def current_policy() -> Policy:
    """What the configuration and the pins say now."""
    return policy_of(runtime.current().config, (each.selection for each in list_pins()))


def gather_pulls(passed_over: Collection[str] = ()) -> set[str]:
    """Have all processes write down what was pulled through them until now.

    One that does not answer is not waited for any longer: it may be stopped, and the disk fills all
    the same. Answers those; those ``passed_over`` are not waited for at all.
    """
    mirror = runtime.current()
    catalog.write_down(mirror.traffic)
    late = set(mirror.roll.call(_ROLL_PATIENCE, passed_over))
    if late:
        log.warning("Pulls of the last seconds are not known from %s", ", ".join(sorted(late)))
    return late


@note
def _correct_times(now: datetime) -> None:
    """Have what was pulled in the future, by a clock that has been set back since, be pulled now.

    Otherwise it would be the youngest until then, and all else would go before it.
    """
    for rows in (models.ManifestLink.objects.all(), models.Blob.objects.all()):
        rows.filter(pulled_at__gt=now + _SKEW).update(pulled_at=now)


@question
def measure() -> Use:
    """What the store holds, as recorded, and its disk; raises ``OSError``."""
    space = runtime.current().store.space()
    found = models.Blob.objects.aggregate(held=Sum("size", default=0), blobs=Count("pk"))
    meters.put(families.HELD, value=found["held"])
    meters.put(families.OBJECTS, value=found["blobs"])
    meters.put(families.MEASURED, value=runtime.current().now().timestamp())
    return Use(found["held"], space.total, space.free)
