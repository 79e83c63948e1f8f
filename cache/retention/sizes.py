"""What each repository holds, added up now and then beside it, so that no page has to.

A repository is added up again when something of it was removed, while it is pulled, and else in its
turn, the longest ago first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from django.db.models import F, OuterRef, Q, Subquery, Sum

from cache import models
from cache.catalog.pulls import chunks
from cache.database import note

#: A fill may end so long after the pull that began it.
_LATE = timedelta(hours=1)

#: So many that did not change, as far as is known, are added up in one round.
_IN_TURN = 200

_CHUNK = 50


def held(repositories: Iterable[int]) -> dict[int, int]:
    """The bytes that each has here, by primary key; what several share counts for each."""
    size = models.Blob.objects.filter(digest=OuterRef("digest")).values("size")[:1]
    rows = (
        models.BlobLink.objects.filter(repository__in=list(repositories))
        .annotate(size=Subquery(size))
        .values_list("repository")
        .annotate(Sum("size"))
    )
    return {repository: total or 0 for repository, total in rows}


def add_up(now: datetime, pause: Callable[[], None] = lambda: None) -> int:
    """Add up those whose turn it is; how many they were. Raises ``django.db.Error``."""
    rows = models.Repository.objects.all()
    changed = rows.filter(Q(sized_at=None) | Q(pulled_at__gt=F("sized_at") - _LATE))
    wanted = set(changed.values_list("pk", flat=True))
    wanted.update(rows.order_by("sized_at").values_list("pk", flat=True)[:_IN_TURN])
    for chunk in chunks(sorted(wanted), _CHUNK):
        pause()
        _write_down(held(chunk), chunk, now)
    return len(wanted)


@note
def _write_down(sizes: dict[int, int], repositories: list[int], now: datetime) -> None:
    rows = models.Repository.objects.filter(pk__in=repositories).only("size", "sized_at")
    found = list(rows)
    for row in found:
        row.size, row.sized_at = sizes.get(row.pk, 0), now
    models.Repository.objects.bulk_update(found, ["size", "sized_at"])


def have_changed(digests: Iterable[str]) -> None:
    """Have the repositories that contain these blobs be added up again.

    In a transaction of the caller's.
    """
    links = models.BlobLink.objects.filter(digest__in=list(digests))
    models.Repository.objects.filter(pk__in=links.values("repository_id")).update(sized_at=None)
