"""Blobs: which are held, which repositories contain them, and what went wrong with them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import connections
from django.db.models import F, OuterRef, Subquery

from cache import models
from cache.catalog.prepared import Prepared
from cache.catalog.repositories import repository_row
from cache.database import note, question
from cache.oci.digest import Digest
from cache.oci.repository import Repository


@dataclass(frozen=True, slots=True)
class KnownLink:
    """A repository contains a blob; ``size`` in bytes if the blob is known to be held here."""

    size: int | None


_BLOB_LINK = Prepared(
    "digest",
    "upstream",
    "name",
    build=lambda digest, upstream, name: models.BlobLink.objects.filter(
        digest=digest, repository__upstream=upstream, repository__name=name
    ).values_list(Subquery(models.Blob.objects.filter(digest=OuterRef("digest")).values("size"))),
)

_BLOB = Prepared(
    "digest", build=lambda digest: models.Blob.objects.filter(digest=digest).values_list("size")
)


@question
def find_blob_link(repository: Repository, digest: Digest) -> KnownLink | None:
    """What is known of the blob in this repository; None if upstream never gave it there."""
    row = _BLOB_LINK.first(str(digest), repository.upstream, str(repository.name))
    return None if row is None else KnownLink(row[0])


@note
def link_blob(
    repository: Repository, digest: Digest, now: datetime, held: int | None = None
) -> None:
    """Upstream gave, or vouched for, the blob in this repository.

    ``held`` is its size in bytes, if the store has it.
    """
    if held is not None:
        _record_blob(digest, held, now)
    models.BlobLink.objects.bulk_create(
        [
            models.BlobLink(
                repository=repository_row(repository, now), digest=str(digest), proved_at=now
            )
        ],
        ignore_conflicts=True,
    )


@note
def record_blob(digest: Digest, size: int, now: datetime) -> None:
    """The store holds the blob, of ``size`` bytes."""
    _record_blob(digest, size, now)


@question
def recorded_size(digest: Digest) -> int | None:
    """The size in bytes of a blob that is known to be held here."""
    row = _BLOB.first(str(digest))
    return None if row is None else row[0]


@question
def list_recorded(limit: int, last: str) -> list[tuple[Digest, int]]:
    """Up to ``limit`` blobs known to be held, in order, after ``last``; sizes in bytes."""
    rows = models.Blob.objects.filter(digest__gt=last).order_by("digest")
    return [(Digest.parse(text), size) for text, size in rows.values_list("digest", "size")[:limit]]


@note
def forget_blob(digest: Digest) -> None:
    """The store does not hold the blob any more. Which repositories contain it stays known."""
    models.Blob.objects.filter(digest=str(digest)).delete()


def record_fill(digest: Digest, size: int, repository: Repository | None, now: datetime) -> None:
    """The store holds the blob, of ``size`` bytes; upstream gave it in ``repository``, if named.

    For a filler's own thread: it closes the thread's database connection, which nobody else will.
    """
    try:
        if repository is None:
            record_blob(digest, size, now)
        else:
            link_blob(repository, digest, now, held=size)
    finally:
        connections.close_all()


def record_lost_fill(
    repository: Repository, digest: Digest, kind: str, message: str, now: datetime
) -> None:
    """A blob was not kept, for a reason that the operator should know of; counted.

    For a filler's own thread, like :func:`record_fill`.
    """
    try:
        _record_incident(repository, digest, kind, message, now)
    finally:
        connections.close_all()


@note
def _record_incident(
    repository: Repository, digest: Digest, kind: str, message: str, now: datetime
) -> None:
    row, is_new = models.Incident.objects.get_or_create(
        kind=kind,
        upstream=repository.upstream,
        repository=str(repository.name),
        digest=str(digest),
        defaults={"message": message, "first_at": now, "last_at": now},
    )
    if not is_new:
        models.Incident.objects.filter(pk=row.pk).update(
            message=message, last_at=now, count=F("count") + 1
        )


def _record_blob(digest: Digest, size: int, now: datetime) -> None:
    # The newest fill knows best: with a wrong size in its row, a blob would be refused for ever.
    models.Blob.objects.bulk_create(
        [models.Blob(digest=str(digest), size=size, stored_at=now, pulled_at=now)],
        update_conflicts=True,
        unique_fields=["digest"],
        update_fields=["size", "stored_at", "pulled_at"],
    )
