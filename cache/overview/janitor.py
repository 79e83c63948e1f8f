"""The janitor: whether there is one, when it last worked, what it removed lately."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db.models import Count, Sum

from cache import runtime, scrub
from cache.models import Removal

LATELY = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Janitor:
    """Whether one `is_there` on this machine, and when it last began a round (None: never).

    ``removed`` images and blobs of ``size`` bytes have gone within the last day, whoever removed
    them.
    """

    is_there: bool
    worked_at: datetime | None
    removed: int
    size: int


def janitor(now: datetime) -> Janitor:
    """How it is; raises ``OSError`` and ``django.db.Error``."""
    mirror = runtime.current()
    # Whoever keeps house holds this lock; for the moment that it is held here, it waits.
    with scrub.alone(mirror.locks / "janitor.lock", wait=False) as is_free:
        is_there = not is_free
    worked_at = mirror.bell.answered_at()
    sums = Removal.objects.filter(at__gte=now - LATELY).aggregate(
        removed=Count("pk"), size=Sum("size", default=0)
    )
    return Janitor(
        is_there=is_there,
        worked_at=datetime.fromtimestamp(worked_at / 1e9, UTC) if worked_at else None,
        removed=sums["removed"],
        size=sums["size"],
    )
