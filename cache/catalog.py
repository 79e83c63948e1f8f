"""What the pull path asks of the database, and tells it: functions named by their question.

They take and return plain frozen values. On a warm pull each is one query and no write.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import connections, transaction
from django.db.models import QuerySet

from cache import models
from cache.oci.digest import Digest
from cache.oci.manifest import Manifest
from cache.oci.reference import Tag
from cache.oci.repository import Repository


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


def is_manifest_held(digest: Digest) -> bool:
    """Whether some repository contains this manifest."""
    return models.Manifest.objects.filter(digest=str(digest)).exists()


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


def record_manifest(repository: Repository, manifest: Manifest, now: datetime) -> None:
    """Upstream gave this manifest in this repository."""
    references = {
        str(descriptor.digest): models.ManifestReference(
            digest=str(descriptor.digest), size=descriptor.size, is_manifest=is_manifest
        )
        for is_manifest, descriptors in ((False, manifest.blobs), (True, manifest.children))
        for descriptor in descriptors
    }
    with transaction.atomic():
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


def link_manifest(repository: Repository, digest: Digest, now: datetime) -> None:
    """Upstream vouched that the repository contains a manifest that is held already."""
    with transaction.atomic():
        row = models.Manifest.objects.filter(digest=str(digest)).first()
        if row is not None:
            _link_manifest(repository, row, now)


def record_tag(repository: Repository, tag: Tag, digest: Digest, now: datetime) -> None:
    """Upstream said that the tag points to a manifest, which is held; a move is noted."""
    with transaction.atomic():
        target = models.Manifest.objects.get(digest=str(digest))
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


def confirm_tag(repository: Repository, tag: Tag, now: datetime) -> None:
    """Upstream said that the tag points to where it did."""
    _tag_rows(repository, tag).update(checked_at=now)


def drop_tag(repository: Repository, tag: Tag, now: datetime) -> None:
    """Upstream said that there is no such tag (any more)."""
    with transaction.atomic():
        for row in _tag_rows(repository, tag).select_related("manifest"):
            models.TagMove.objects.create(
                repository_id=row.repository_id,
                name=row.name,
                from_digest=row.manifest.digest,
                to_digest="",
                moved_at=now,
            )
            row.delete()


def is_blob_linked(repository: Repository, digest: Digest) -> bool:
    """Whether upstream gave, or vouched for, the blob in this repository."""
    return models.BlobLink.objects.filter(
        digest=str(digest),
        repository__upstream=repository.upstream,
        repository__name=str(repository.name),
    ).exists()


def link_blob(repository: Repository, digest: Digest, now: datetime) -> None:
    """Upstream gave, or vouched for, the blob in this repository."""
    models.BlobLink.objects.bulk_create(
        [
            models.BlobLink(
                repository=_repository_row(repository, now), digest=str(digest), proved_at=now
            )
        ],
        ignore_conflicts=True,
    )


def record_fill(digest: Digest, size: int, repository: Repository | None, now: datetime) -> None:
    """The store holds the blob, of ``size`` bytes; upstream gave it in ``repository``, if named.

    For a filler's own thread: it closes the thread's database connection, which nobody else will.
    """
    try:
        models.Blob.objects.bulk_create(
            [models.Blob(digest=str(digest), size=size, stored_at=now)], ignore_conflicts=True
        )
        if repository is not None:
            link_blob(repository, digest, now)
    finally:
        connections.close_all()


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


def list_tags(repository: Repository, limit: int, last: str) -> list[str]:
    """Up to ``limit`` tags that were pulled from the repository, in order, after ``last``."""
    rows = models.Tag.objects.filter(
        repository__upstream=repository.upstream,
        repository__name=str(repository.name),
        name__gt=last,
    )
    return list(rows.order_by("name").values_list("name", flat=True)[:limit])


def is_repository_known(repository: Repository) -> bool:
    """Whether anything was ever given by this repository."""
    return models.Repository.objects.filter(
        upstream=repository.upstream, name=str(repository.name)
    ).exists()


def list_repositories(upstream: str, limit: int, last: str) -> list[str]:
    """Up to ``limit`` names with a manifest here, in order, after ``last``."""
    rows = models.Repository.objects.filter(
        upstream=upstream, name__gt=last, manifest_links__isnull=False
    )
    return list(rows.order_by("name").values_list("name", flat=True).distinct()[:limit])


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


def _link_manifest(repository: Repository, row: models.Manifest, now: datetime) -> None:
    models.ManifestLink.objects.bulk_create(
        [
            models.ManifestLink(
                repository=_repository_row(repository, now), manifest=row, proved_at=now
            )
        ],
        ignore_conflicts=True,
    )
