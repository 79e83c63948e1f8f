"""Records and files brought together again, after crashes and whatever else came between them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from django.db import transaction

from cache import catalog, models, runtime
from cache.catalog.pulls import chunks
from cache.database import note
from cache.oci.digest import Digest
from cache.retention.evict import remove_doomed, strike_missing
from cache.streaming.store import Store

log = logging.getLogger(__name__)

_PAGE = 500

#: What was removed is known for so long.
REMEMBERED = timedelta(days=90)

#: That a repository contains a blob which is not here is known for so long.
_LINKS_KEPT = timedelta(days=30)

#: What was shown before a purge is known for so long if nobody has said yes to it.
_UNDECIDED_KEPT = timedelta(days=1)

#: A manifest that no repository is known to contain is kept for so long after it came.
_UNCLAIMED_KEPT = timedelta(days=30)


def reconcile(pause: Callable[[], None] = lambda: None) -> tuple[int, int]:
    """Remove records without a file, and record files without one; how many of either.

    A file without a record is sound, since only verified bytes become a blob: it is kept as if it
    had just been pulled. Raises ``OSError`` and ``django.db.Error``.
    """
    mirror = runtime.current()
    remove_doomed(mirror.store)
    struck = _strike_records(mirror.store, pause)
    recorded = _record_files(mirror.store, mirror.now(), pause)
    _forget_old(mirror.now())
    if struck or recorded:
        message = "%d blobs were recorded and not in the store, %d in the store and not recorded"
        log.warning(message, struck, recorded)
    return struck, recorded


def _strike_records(store: Store, pause: Callable[[], None]) -> int:
    struck, last = 0, ""
    while page := catalog.list_recorded(_PAGE, last):
        pause()
        last = str(page[-1][0])
        missing = [str(digest) for digest, _ in page if store.stat(digest) is None]
        found: list[int] = []
        if missing and _strike(missing, store, found):
            struck += sum(found)
    return struck


@note
def _strike(digests: list[str], store: Store, found: list[int]) -> None:
    found[:] = [strike_missing(digests, store)]


def _record_files(store: Store, now: datetime, pause: Callable[[], None]) -> int:
    recorded = 0
    for chunk in chunks(store.blobs(), _PAGE):
        pause()
        texts = [str(digest) for digest, _ in chunk]
        known = set(models.Blob.objects.filter(digest__in=texts).values_list("digest", flat=True))
        for digest, _ in chunk:
            if str(digest) not in known:
                recorded += _record(digest, store, now)
    return recorded


def _record(digest: Digest, store: Store, now: datetime) -> bool:
    """Record a file while it is open, so that nobody removes it meanwhile."""
    file = store.open(digest)
    if file is None:
        return False
    with file:
        size = store.stat(digest)
        return size is not None and catalog.record_blob(digest, size, now)


@note
def _forget_old(now: datetime) -> None:
    """Remove what only grows: old removals, manifests of no repository, links to nothing."""
    models.Removal.objects.filter(at__lt=now - REMEMBERED).delete()
    # An import brings manifests that are linked only once upstream has given them to somebody.
    unclaimed = models.Manifest.objects.filter(links=None, stored_at__lt=now - _UNCLAIMED_KEPT)
    unclaimed.only("pk").delete()
    held = models.Blob.objects.values("digest")
    links = models.BlobLink.objects.filter(proved_at__lt=now - _LINKS_KEPT)
    if links.exclude(digest__in=held).delete()[0]:
        transaction.on_commit(runtime.content_removed)
    orders = models.PurgeOrder.objects.filter(asked_at__lt=now - _UNDECIDED_KEPT)
    orders.filter(confirmed_at=None).delete()
    orders.filter(confirmed_at__lt=now - REMEMBERED).delete()
