"""What an import brings: the records of another registry's content, in batches.

Unlike a pull's notes these are told once, so each raises ``django.db.Error`` when the database does
not take it. All are safe to repeat, and none undoes what a running mirror has learned meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from cache import models
from cache.catalog.manifests import manifest_row
from cache.catalog.repositories import repository_row
from cache.database import question
from cache.oci.digest import Digest
from cache.oci.manifest import Manifest
from cache.oci.reference import Tag
from cache.oci.repository import Repository

_BATCH = 500


@dataclass(frozen=True, slots=True)
class AdoptedBlob:
    """A blob that the store holds. ``is_new``: it was not there before."""

    digest: Digest
    size: int
    written_at: datetime
    is_new: bool


@dataclass(frozen=True, slots=True)
class AdoptedTag:
    """Where a tag pointed at ``confirmed_at``."""

    tag: Tag
    digest: Digest
    confirmed_at: datetime


@question
@transaction.atomic
def adopt_blobs(blobs: Sequence[AdoptedBlob], now: datetime) -> None:
    """The store holds these blobs. To take them over counts as a pull."""
    for is_new in (True, False):
        rows = [
            models.Blob(
                digest=str(blob.digest), size=blob.size, stored_at=blob.written_at, pulled_at=now
            )
            for blob in blobs
            if blob.is_new is is_new
        ]
        if is_new:
            # A record of a blob that was not held was wrong, and must not stay.
            models.Blob.objects.bulk_create(
                rows,
                _BATCH,
                update_conflicts=True,
                unique_fields=["digest"],
                update_fields=["size", "stored_at", "pulled_at"],
            )
        else:
            models.Blob.objects.bulk_create(rows, _BATCH, ignore_conflicts=True)


@question
@transaction.atomic
def adopt_blob_links(
    repository: Repository, links: Sequence[tuple[Digest, datetime]], now: datetime
) -> None:
    """Upstream gave these blobs in the repository, at these moments."""
    if not links:
        return
    row = repository_row(repository, now)
    models.BlobLink.objects.bulk_create(
        [models.BlobLink(repository=row, digest=str(digest), proved_at=at) for digest, at in links],
        _BATCH,
        ignore_conflicts=True,
    )


@question
@transaction.atomic
def adopt_manifests(
    repository: Repository | None, manifests: Sequence[tuple[Manifest, datetime]], now: datetime
) -> None:
    """These manifests are here; upstream gave them in the repository, if one is named."""
    # What no repository contains yet waits for that from now on.
    rows = [(manifest_row(m, now if repository is None else at), at) for m, at in manifests]
    if repository is None or not rows:
        return
    within = repository_row(repository, now)
    models.ManifestLink.objects.bulk_create(
        [
            models.ManifestLink(repository=within, manifest=row, proved_at=at, pulled_at=now)
            for row, at in rows
        ],
        _BATCH,
        ignore_conflicts=True,
    )


@question
@transaction.atomic
def adopt_tags(repository: Repository, tags: Sequence[AdoptedTag], now: datetime) -> int:
    """Upstream said so then, of manifests that are here; how many of the tags were not known yet.

    One that is known stays as it is.
    """
    if not tags:
        return 0
    adopted = 0
    within = repository_row(repository, now)
    for each in tags:
        target = models.Manifest.objects.filter(digest=str(each.digest)).first()
        if target is None:
            continue
        _, is_new = models.Tag.objects.get_or_create(
            repository=within,
            name=str(each.tag),
            defaults={"manifest": target, "checked_at": each.confirmed_at},
        )
        if is_new:
            adopted += 1
            models.TagMove.objects.create(
                repository=within,
                name=str(each.tag),
                from_digest="",
                to_digest=target.digest,
                moved_at=each.confirmed_at,
            )
    return adopted
