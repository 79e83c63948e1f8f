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

import errno
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import ParamSpec

from cache import meters, models, runtime
from cache.catalog.pulls import chunks
from cache.database import note
from cache.meters import families
from cache.oci.digest import Digest
from cache.retention import contents
from cache.retention.pins import list_pins
from cache.retention.plan import Unit
from cache.retention.policy import Image, Policy
from cache.retention.sizes import have_changed
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
    """What has gone of a unit: so many blobs, of so many bytes. ``record`` is kept of it."""

    unit: Unit
    blobs: int
    size: int
    record: int = field(compare=False, default=0)


def evict(
    units: Iterable[Unit], store: Store, by: str, now: datetime, policy: Policy
) -> list[Removed]:
    """Remove these units, but for what was pulled since they were chosen, or is pulled now.

    Nor what was pinned since the ``policy`` was made by which they were chosen. ``by`` is who
    wanted it. Raises :class:`NotTaken`, ``OSError`` and ``django.db.Error``.
    """
    filling = {str(digest) for digest in store.filling()}
    failures: list[str] = []
    idle = (unit for unit in units if not _is_busy(unit, store, filling, failures))
    removed = _remove(idle, store, by, now, policy)
    _tell_of(failures)
    return removed


def purge(units: Iterable[Unit], store: Store, by: str, now: datetime) -> list[Removed]:
    """Remove these units, whoever pulls them; raises as :func:`evict` does."""
    return _remove(units, store, by, now, None)


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
        if not last:
            # Who crashed may not have said so.
            runtime.content_removed()
        last = doomed[-1]
        _remove_files(doomed, store, force=False)


def _remove(
    units: Iterable[Unit], store: Store, by: str, now: datetime, policy: Policy | None
) -> list[Removed]:
    """Remove them; without a policy whatever has become of them since they were chosen."""
    removed: list[Removed] = []
    for batch in _batches(units):
        done: list[Removed] = []
        doomed: dict[str, int] = {}
        _persistently(_strike, batch, by, now, policy, done, doomed)
        if done:
            runtime.content_removed()
        kept = _remove_files(list(doomed), store, force=policy is None)
        if kept:
            were, done = done, [_without(each, kept, doomed) for each in done]
            _persistently(_correct_removals, [each for each in done if each not in were])
        gone = [each for each in done if each.unit.links or each.blobs]
        for each in gone:
            meters.add(families.EVICTIONS, each.unit.reason)
            meters.add(families.EVICTED, each.unit.reason, amount=each.size)
        removed += gone
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


def _is_busy(unit: Unit, store: Store, filling: set[str], failures: list[str]) -> bool:
    """Whether somebody reads or fills a blob of the unit now, in whatever process.

    What the disk does not give stays as well, and is noted in ``failures``: it must not keep all
    that comes after it from going.
    """
    if filling and not filling.isdisjoint((*unit.missing, *(blob.digest for blob in unit.blobs))):
        return True
    for blob in unit.blobs:
        try:
            if store.is_read(Digest.parse(blob.digest)):
                return True
        except OSError as error:
            failures.append(f"{blob.digest}: {error}")
            return True
    return False


def _tell_of(failures: list[str]) -> None:
    if failures:
        message = "%d blobs cannot go, since the store fails, such as %s"
        log.error(message, len(failures), failures[0])


def _persistently(write: Callable[P, bool], *args: P.args, **kwargs: P.kwargs) -> None:
    """Have a note be taken, which another writer may be in the way of."""
    for _ in range(_TRIES):
        if write(*args, **kwargs):
            return
    raise NotTaken("the database does not take what is to be removed")


@note
def _strike(
    units: list[Unit],
    by: str,
    now: datetime,
    policy: Policy | None,
    done: list[Removed],
    doomed: dict[str, int],
) -> None:
    """Remove the records of the units; those that went are put in ``done``, files in ``doomed``."""
    done.clear()
    doomed.clear()
    still = units if policy is None else _still_unused(_not_pinned_since(units, policy))
    _strike_manifests([link for unit in still for link in unit.links])
    doomed.update(_strike_blobs(still, force=policy is None))
    rows = []
    for unit in still:
        blobs = [blob for blob in unit.blobs if blob.digest in doomed]
        size = sum(doomed[blob.digest] for blob in blobs)
        if not blobs and not unit.links:
            continue
        done.append(Removed(unit, len(blobs), size))
        rows.append(_removal(unit, by, now, len(blobs), size))
    models.Removal.objects.bulk_create(rows)
    done[:] = [replace(each, record=row.pk) for each, row in zip(done, rows, strict=True)]


def _without(removed: Removed, kept: set[str], doomed: dict[str, int]) -> Removed:
    back = [
        doomed[blob.digest]
        for blob in removed.unit.blobs
        if blob.digest in kept and blob.digest in doomed
    ]
    blobs, size = removed.blobs - len(back), removed.size - sum(back)
    return replace(removed, blobs=blobs, size=size)


@note
def _correct_removals(removed: list[Removed]) -> None:
    """Have the records not speak of what stayed after all."""
    for each in removed:
        record = models.Removal.objects.filter(pk=each.record)
        if each.unit.links or each.blobs:
            record.update(blobs=each.blobs, size=each.size)
        else:
            record.delete()


def _not_pinned_since(units: list[Unit], policy: Policy) -> list[Unit]:
    """Those that no pin means which is newer than the policy by which they were chosen."""
    new = tuple(pin.selection for pin in list_pins() if pin.selection not in policy.keep)
    if not new:
        return units
    pinned = Policy(keep=new)
    blobs = contents.kept_blobs(pinned, (blob for unit in units for blob in unit.blobs))
    return [
        unit
        for unit in units
        if blobs.isdisjoint(blob.digest for blob in unit.blobs)
        and not any(pinned.keeps_image(link) for link in unit.links)
    ]


def _still_unused(units: list[Unit]) -> list[Unit]:
    """Those whose image has not been pulled since, nor got an index that lists it."""
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


def _strike_blobs(units: list[Unit], *, force: bool) -> dict[str, int]:
    """Remove the records of the blobs that nothing needs; their sizes."""
    planned = {blob.digest: blob.pulled_at for unit in units for blob in unit.blobs}
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
    have_changed(digests)
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
    failures: list[str] = []
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
            elif _is_removed(digest, store, failures):
                removed.append(text)
            else:
                spared.add(text)
        _persistently(_settle, removed, spared, store)
        kept |= spared
    _tell_of(failures)
    return kept


def _is_removed(digest: Digest, store: Store, failures: list[str]) -> bool:
    try:
        return store.remove_unread(digest)
    except OSError as error:
        if error.errno == errno.EROFS:
            # Then it is all of them.
            raise
        failures.append(f"{digest}: {error}")
        return False


def _recorded(digests: list[str]) -> set[str]:
    return set(models.Blob.objects.filter(digest__in=digests).values_list("digest", flat=True))


@note
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
