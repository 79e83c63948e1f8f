"""What the pull path asks of the database, and tells it: functions named by their question.

They take and return plain frozen values. On a warm pull each is one query and no write.

A question raises ``django.db.Error`` when the database does not answer. What is told (functions
that return whether it was recorded) is a note, see :mod:`cache.database`: without it the next pull
asks upstream again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db import connections
from django.db.models import F, OuterRef, QuerySet, Subquery

from cache import models
from cache.database import TROUBLE, note, question
from cache.oci.digest import Digest
from cache.oci.manifest import Manifest
from cache.oci.reference import Tag
from cache.oci.repository import Repository
from cache.traffic import Confirmation

#: A note that only renews a time waits no longer than this (seconds) for another writer.
_NO_HURRY = 0.25


@dataclass(frozen=True, slots=True)
class StoredManifest:
    """A manifest as it goes to a client."""

    digest: Digest
    media_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class KnownTag:
    """A tag's last known answer, and when upstream confirmed it."""

    manifest: StoredManifest
    checked_at: datetime


@dataclass(frozen=True, slots=True)
class KnownLink:
    """A repository contains a blob; ``size`` in bytes if the blob is known to be held here."""

    size: int | None


@question
def find_manifest(repository: Repository, digest: Digest) -> StoredManifest | None:
    """The manifest, if the repository is known to contain it."""
    row = (
        models.Manifest.objects.filter(
            digest=str(digest),
            links__repository__upstream=repository.upstream,
            links__repository__name=str(repository.name),
        )
        .values_list("media_type", "body")
        .first()
    )
    return StoredManifest(digest, row[0], bytes(row[1])) if row else None


@question
def find_held_manifest(digest: Digest) -> StoredManifest | None:
    """The manifest, if any repository contains it: no word on who may have it."""
    row = (
        models.Manifest.objects.filter(digest=str(digest)).values_list("media_type", "body").first()
    )
    return StoredManifest(digest, row[0], bytes(row[1])) if row else None


@question
def find_tag(repository: Repository, tag: Tag) -> KnownTag | None:
    """What the tag pointed to when upstream was last asked."""
    row = (
        models.Tag.objects.filter(
            repository__upstream=repository.upstream,
            repository__name=str(repository.name),
            name=str(tag),
        )
        .values_list("manifest__digest", "manifest__media_type", "manifest__body", "checked_at")
        .first()
    )
    if row is None:
        return None
    digest, media_type, body, checked_at = row
    return KnownTag(StoredManifest(Digest.parse(digest), media_type, bytes(body)), checked_at)


@note()
def record_manifest(repository: Repository, manifest: Manifest, now: datetime) -> None:
    """Upstream gave this manifest in this repository."""
    references = {
        str(descriptor.digest): models.ManifestReference(
            digest=str(descriptor.digest), size=descriptor.size, is_manifest=is_manifest
        )
        for is_manifest, descriptors in ((False, manifest.blobs), (True, manifest.children))
        for descriptor in descriptors
    }
    row, is_new = models.Manifest.objects.get_or_create(
        digest=str(manifest.digest),
        defaults={
            "media_type": manifest.media_type,
            "body": manifest.body,
            "artifact_type": _referrer_type(manifest),
            "subject": str(manifest.subject.digest) if manifest.subject else "",
            "stored_at": now,
        },
    )
    if is_new:
        for reference in references.values():
            reference.manifest = row
        models.ManifestReference.objects.bulk_create(references.values())
    _link_manifest(repository, row, now)


@note()
def link_manifest(repository: Repository, digest: Digest, now: datetime) -> None:
    """Upstream vouched that the repository contains a manifest that is held already."""
    row = models.Manifest.objects.filter(digest=str(digest)).first()
    if row is not None:
        _link_manifest(repository, row, now)


def record_tag(repository: Repository, tag: Tag, digest: Digest, now: datetime) -> bool:
    """Upstream said that the tag points to a manifest; a move is noted.

    Nothing is, if the manifest is not held: the database did not take it a moment ago, and is not
    waited for a second time.
    """
    try:
        return is_manifest_held(digest) and _record_tag(repository, tag, digest, now)
    except TROUBLE:
        return False


@question
def is_manifest_held(digest: Digest) -> bool:
    """Whether some repository contains this manifest."""
    return models.Manifest.objects.filter(digest=str(digest)).exists()


@note()
def _record_tag(repository: Repository, tag: Tag, digest: Digest, now: datetime) -> None:
    target = models.Manifest.objects.filter(digest=str(digest)).first()
    if target is None:
        return
    row, is_new = models.Tag.objects.select_for_update().get_or_create(
        repository=_repository_row(repository, now),
        name=str(tag),
        defaults={"manifest": target, "checked_at": now},
    )
    if is_new or row.manifest_id != target.pk:
        models.TagMove.objects.create(
            repository=row.repository,
            name=row.name,
            from_digest="" if is_new else row.manifest.digest,
            to_digest=target.digest,
            moved_at=now,
        )
    row.manifest, row.checked_at = target, now
    row.save(update_fields=["manifest", "checked_at"])


@note(patience=_NO_HURRY)
def confirm_tags(confirmed: Mapping[tuple[Repository, Tag], Confirmation]) -> None:
    """Upstream said at these moments that the tags point to where they did.

    A tag that another process has moved since is left alone.
    """
    for (repository, tag), confirmation in confirmed.items():
        still = _tag_rows(repository, tag).filter(manifest__digest=str(confirmation.digest))
        still.update(checked_at=confirmation.at)


@note()
def drop_tag(repository: Repository, tag: Tag, now: datetime) -> None:
    """Upstream said that there is no such tag (any more)."""
    for row in _tag_rows(repository, tag).select_related("manifest"):
        models.TagMove.objects.create(
            repository_id=row.repository_id,
            name=row.name,
            from_digest=row.manifest.digest,
            to_digest="",
            moved_at=now,
        )
        row.delete()


@question
def find_blob_link(repository: Repository, digest: Digest) -> KnownLink | None:
    """What is known of the blob in this repository; None if upstream never gave it there."""
    size_held = models.Blob.objects.filter(digest=OuterRef("digest")).values("size")
    row = (
        models.BlobLink.objects.filter(
            digest=str(digest),
            repository__upstream=repository.upstream,
            repository__name=str(repository.name),
        )
        .values_list(Subquery(size_held))
        .first()
    )
    return None if row is None else KnownLink(row[0])


@note()
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
                repository=_repository_row(repository, now), digest=str(digest), proved_at=now
            )
        ],
        ignore_conflicts=True,
    )


@note()
def record_blob(digest: Digest, size: int, now: datetime) -> None:
    """The store holds the blob, of ``size`` bytes."""
    _record_blob(digest, size, now)


@question
def recorded_size(digest: Digest) -> int | None:
    """The size in bytes of a blob that is known to be held here."""
    rows = models.Blob.objects.filter(digest=str(digest))
    return rows.values_list("size", flat=True).first()


@question
def list_recorded(limit: int, last: str) -> list[tuple[Digest, int]]:
    """Up to ``limit`` blobs known to be held, in order, after ``last``; sizes in bytes."""
    rows = models.Blob.objects.filter(digest__gt=last).order_by("digest")
    return [(Digest.parse(text), size) for text, size in rows.values_list("digest", "size")[:limit]]


@note()
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


@note()
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


@question
def promised_size(repository: Repository, digest: Digest) -> int | None:
    """The size in bytes that a manifest of this repository gives for a blob."""
    return (
        models.ManifestReference.objects.filter(
            digest=str(digest),
            size__isnull=False,
            manifest__links__repository__upstream=repository.upstream,
            manifest__links__repository__name=str(repository.name),
        )
        .values_list("size", flat=True)
        .first()
    )


@question
def list_tags(repository: Repository) -> list[str]:
    """The tags that were pulled from the repository, in no order."""
    rows = models.Tag.objects.filter(
        repository__upstream=repository.upstream, repository__name=str(repository.name)
    )
    return list(rows.values_list("name", flat=True))


@question
def is_repository_known(repository: Repository) -> bool:
    """Whether anything was ever given by this repository."""
    return models.Repository.objects.filter(
        upstream=repository.upstream, name=str(repository.name)
    ).exists()


@question
def list_repositories(upstream: str, limit: int, last: str) -> list[str]:
    """Up to ``limit`` names with a manifest here, in order, after ``last``."""
    rows = models.Repository.objects.filter(
        upstream=upstream, name__gt=last, manifest_links__isnull=False
    )
    return list(rows.order_by("name").values_list("name", flat=True).distinct()[:limit])


@question
def list_referrers(repository: Repository, subject: Digest, limit: int) -> list[StoredManifest]:
    """The held manifests of the repository that have ``subject`` as their subject."""
    rows = (
        models.Manifest.objects.filter(
            subject=str(subject),
            links__repository__upstream=repository.upstream,
            links__repository__name=str(repository.name),
        )
        .order_by("digest")
        .values_list("digest", "media_type", "body")[:limit]
    )
    return [StoredManifest(Digest.parse(row[0]), row[1], bytes(row[2])) for row in rows]


def _referrer_type(manifest: Manifest) -> str:
    return (manifest.artifact_type or "")[:255]


def _tag_rows(repository: Repository, tag: Tag) -> QuerySet[models.Tag]:
    return models.Tag.objects.filter(
        repository__upstream=repository.upstream,
        repository__name=str(repository.name),
        name=str(tag),
    )


def _repository_row(repository: Repository, now: datetime) -> models.Repository:
    row, _ = models.Repository.objects.get_or_create(
        upstream=repository.upstream, name=str(repository.name), defaults={"first_seen_at": now}
    )
    return row


def _record_blob(digest: Digest, size: int, now: datetime) -> None:
    # The newest fill knows best: with a wrong size in its row, a blob would be refused for ever.
    models.Blob.objects.bulk_create(
        [models.Blob(digest=str(digest), size=size, stored_at=now)],
        update_conflicts=True,
        unique_fields=["digest"],
        update_fields=["size", "stored_at"],
    )


def _link_manifest(repository: Repository, row: models.Manifest, now: datetime) -> None:
    models.ManifestLink.objects.bulk_create(
        [
            models.ManifestLink(
                repository=_repository_row(repository, now), manifest=row, proved_at=now
            )
        ],
        ignore_conflicts=True,
    )
