"""Carrying a plan out: first the records go, then the files, a few at a time.

What may happen meanwhile, and what then:

- A pull comes just before: its time is written down, and the records are looked at once more in
  the transaction that removes them. Somebody reads a blob, or fills it: its lock says so.
- A crash after the records have gone: the files that are still to go are recorded as doomed.
- A pull opens a file whose records have gone: it has the file locked, so the file stays, and is
  recorded again. A pull that comes after the file finds nothing, and fetches it anew.
- A pull records a blob between the two: it had the file open then. If it is done with it when the
  file goes, what it has recorded goes too; unless there is a file again, of a fill.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import ParamSpec

from cache import models, runtime
from cache.catalog.pulls import chunks
from cache.database import note
from cache.oci.digest import Digest
from cache.retention import contents
from cache.retention.plan import Unit
from cache.retention.policy import Image, Reason
from cache.streaming.store import Store

P = ParamSpec("P")

log = logging.getLogger(__name__)

#: So many units, and about so many blobs, go in one transaction.
_UNITS = 250
_BLOBS = 1000

_FILES = 1000

#: A transaction that the database did not take is tried so often.
_TRIES = 3


class NotTaken(Exception):
    """The database does not take what is to be removed; what was removed before stays so."""


@dataclass(frozen=True, slots=True)
class Removed:
    """What has gone of a unit."""

    unit: Unit
    size: int


def evict(units: Iterable[Unit], store: Store, by: str, now: datetime) -> list[Removed]:
    """Remove these units, but for what was pulled since they were chosen, or is pulled now.

    ``by`` is who wanted it. Raises :class:`NotTaken`, ``OSError`` and ``django.db.Error``.
    """
    filling = {str(digest) for digest in store.filling()}
    return _remove((unit for unit in units if not _is_busy(unit, store, filling)), store, by, now)


def purge(units: Iterable[Unit], store: Store, by: str, now: datetime) -> list[Removed]:
    """Remove these units, whoever pulls them; raises as :func:`evict` does."""
    return _remove(units, store, by, now)


def remove_doomed(store: Store) -> None:
    """Finish what a crash has interrupted: remove the files whose records have gone already.

    What was recorded since, by a pull that found the file, stays. Raises :class:`NotTaken`.
    """
    last = ""
    while True:
        rows = models.DoomedFile.objects.filter(digest__gt=last).order_by("digest")
        doomed = list(rows.values_list("digest", flat=True)[:_FILES])
        if not doomed:
            return
        last = doomed[-1]
        _remove_files(doomed, store, force=False)


def _remove(units: Iterable[Unit], store: Store, by: str, now: datetime) -> list[Removed]:
    removed: list[Removed] = []
    for batch in _batches(units):
        force = batch[0].reason is Reason.PURGED
        done: list[Removed] = []
        doomed: dict[str, int] = {}
        _persistently(_strike, batch, by, now, done, doomed)
        if done:
            runtime.content_removed()
        kept = _remove_files(list(doomed), store, force=force)
        for each in done:
            back = sum(doomed[blob.digest] for blob in each.unit.blobs if blob.digest in kept)
            removed.append(replace(each, size=each.size - back))
    return removed


def _batches(units: Iterable[Unit]) -> Iterable[list[Unit]]:
    batch: list[Unit] = []
    blobs = 0
    for unit in units:
        batch.append(unit)
        blobs += len(unit.blobs)
        if len(batch) >= _UNITS or blobs >= _BLOBS:
            yield batch
            batch, blobs = [], 0
    if batch:
        yield batch


def _is_busy(unit: Unit, store: Store, filling: set[str]) -> bool:
    """Whether somebody reads or fills a blob of the unit now, in whatever process."""
    if filling and not filling.isdisjoint((*unit.missing, *(blob.digest for blob in unit.blobs))):
        return True
    return any(store.is_read(Digest.parse(blob.digest)) for blob in unit.blobs)


def _persistently(write: Callable[P, bool], *args: P.args, **kwargs: P.kwargs) -> None:
    """Have a note be taken, which another writer may be in the way of."""
    for _ in range(_TRIES):
        if write(*args, **kwargs):
            return
    raise NotTaken("the database does not take what is to be removed")


@note()
def _strike(
    units: list[Unit], by: str, now: datetime, done: list[Removed], doomed: dict[str, int]
) -> None:
    """Remove the records of the units; those that went are put in ``done``, files in ``doomed``."""
    done.clear()
    doomed.clear()
    still = _still_unused(units)
    _strike_manifests([link for unit in still for link in unit.links])
    doomed.update(_strike_blobs(still))
    rows = []
    for unit in still:
        blobs = [blob for blob in unit.blobs if blob.digest in doomed]
        size = sum(doomed[blob.digest] for blob in blobs)
        if not blobs and not unit.links:
            continue
        done.append(Removed(unit, size))
        rows.append(_removal(unit, by, now, len(blobs), size))
    models.Removal.objects.bulk_create(rows)


def _still_unused(units: list[Unit]) -> list[Unit]:
    """Those whose image has not been pulled since, nor got an index that lists it."""
    if units[0].reason is Reason.PURGED:
        return units
    links = [link.link for unit in units for link in unit.links]
    rows = models.ManifestLink.objects.select_for_update().filter(pk__in=links).order_by("pk")
    pulled = dict(rows.values_list("pk", "pulled_at"))
    subjects = [unit.subject.link for unit in units if isinstance(unit.subject, Image)]
    roots = set(contents.roots().filter(pk__in=subjects).values_list("pk", flat=True))
    return [
        unit
        for unit in units
        if all(link.link in pulled and pulled[link.link] <= link.pulled_at for link in unit.links)
        and (not isinstance(unit.subject, Image) or unit.subject.link in roots)
    ]


def _strike_manifests(links: list[Image]) -> None:
    """Remove the links and their tags, and the manifests that no repository contains any more."""
    manifests = {link.manifest for link in links}
    # Locked first, as far as the database locks rows: a pull may be about to link one of them.
    held = models.Manifest.objects.select_for_update().filter(pk__in=manifests).order_by("pk")
    list(held.values_list("pk", flat=True))
    gone = {(link.repository, link.manifest) for link in links}
    tags = models.Tag.objects.filter(manifest_id__in=manifests)
    models.Tag.objects.filter(
        pk__in=[
            key
            for key, *place in tags.values_list("pk", "repository_id", "manifest_id")
            if tuple(place) in gone
        ]
    ).delete()
    models.ManifestLink.objects.filter(pk__in=[link.link for link in links]).delete()
    linked = models.ManifestLink.objects.filter(manifest_id__in=manifests)
    rest = manifests - set(linked.values_list("manifest_id", flat=True))
    models.Manifest.objects.only("pk").filter(pk__in=rest).delete()


def _strike_blobs(units: list[Unit]) -> dict[str, int]:
    """Remove the records of the blobs that nothing needs; their sizes."""
    planned = {blob.digest: blob.pulled_at for unit in units for blob in unit.blobs}
    force = bool(units) and units[0].reason is Reason.PURGED
    needed = contents.needs().filter(digest__in=planned)
    wanted = set(planned)
    if not force or any(unit.links for unit in units):
        wanted -= set(needed.values_list("digest", flat=True))
    rows = models.Blob.objects.select_for_update().filter(digest__in=wanted).order_by("pk")
    found = [
        row
        for row in rows.values_list("digest", "size", "pulled_at")
        if force or row[2] <= planned[row[0]]
    ]
    models.DoomedFile.objects.bulk_create(
        [models.DoomedFile(digest=row[0], size=row[1], pulled_at=row[2]) for row in found],
        ignore_conflicts=True,
    )
    digests = [row[0] for row in found]
    models.Blob.objects.filter(digest__in=digests).delete()
    models.BlobLink.objects.filter(digest__in=digests).delete()
    return {digest: size for digest, size, _ in found}


def _removal(unit: Unit, by: str, now: datetime, blobs: int, size: int) -> models.Removal:
    subject = unit.subject
    if isinstance(subject, Image):
        place, tags = (subject.upstream, subject.name), subject.tags
    else:
        place, tags = (subject.repositories[0] if subject.repositories else ("", "")), ()
    return models.Removal(
        at=now,
        reason=unit.reason,
        detail=unit.detail[:255],
        by=by[:150],
        upstream=place[0],
        repository=place[1],
        tags=" ".join(sorted(tags)),
        digest=subject.digest,
        blobs=blobs,
        size=size,
        pulled_at=subject.pulled_at,
    )


def _remove_files(doomed: list[str], store: Store, *, force: bool) -> set[str]:
    """Remove doomed files; which of them are kept, since somebody pulls them."""
    kept: set[str] = set()
    for chunk in chunks(doomed, _FILES):
        removed, spared = [], set()
        wanted = set() if force else _recorded(chunk)
        for text in chunk:
            digest = Digest.parse(text)
            if text in wanted:
                spared.add(text)
            elif force:
                store.delete(digest)
                removed.append(text)
            elif store.remove_unread(digest):
                removed.append(text)
            else:
                spared.add(text)
        _persistently(_settle, removed, spared, store)
        kept |= spared
    return kept


def _recorded(digests: list[str]) -> set[str]:
    return set(models.Blob.objects.filter(digest__in=digests).values_list("digest", flat=True))


@note()
def _settle(removed: list[str], spared: set[str], store: Store) -> None:
    """Bring the records in line with what has become of the files."""
    doomed = models.DoomedFile.objects.filter(digest__in=[*removed, *spared])
    back = [
        models.Blob(digest=digest, size=size, stored_at=pulled_at, pulled_at=pulled_at)
        for digest, size, pulled_at in doomed.values_list("digest", "size", "pulled_at")
        if digest in spared
    ]
    models.Blob.objects.bulk_create(back, ignore_conflicts=True)
    strike_missing(removed, store)
    doomed.delete()


def strike_missing(digests: list[str], store: Store) -> int:
    """Remove the records of blobs whose files have gone, in a transaction of the caller's.

    How many it were. A fill that brings one again meanwhile records it after us, or we see it.
    """
    rows = list(models.Blob.objects.filter(digest__in=digests))
    models.Blob.objects.filter(digest__in=[row.digest for row in rows]).delete()
    again = []
    for row in rows:
        size = store.stat(Digest.parse(row.digest))
        if size is not None:
            row.pk, row.size = None, size
            again.append(row)
    models.Blob.objects.bulk_create(again, ignore_conflicts=True)
    return len(rows) - len(again)
