"""Manifests, which repositories contain them, and what they promise."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from cache import models
from cache.catalog.prepared import Prepared
from cache.catalog.repositories import repository_row
from cache.database import note, question
from cache.oci.digest import Digest
from cache.oci.manifest import Manifest
from cache.oci.reference import RepositoryName
from cache.oci.repository import Repository


@dataclass(frozen=True, slots=True)
class StoredManifest:
    """A manifest as it goes to a client."""

    digest: Digest
    media_type: str
    body: bytes


_MANIFEST = Prepared(
    "digest",
    "upstream",
    "name",
    build=lambda digest, upstream, name: models.Manifest.objects.filter(
        digest=digest, links__repository__upstream=upstream, links__repository__name=name
    ).values_list("media_type", "body"),
)

_PROMISED = Prepared(
    "digest",
    "upstream",
    "name",
    build=lambda digest, upstream, name: models.ManifestReference.objects.filter(
        digest=digest,
        size__isnull=False,
        manifest__links__repository__upstream=upstream,
        manifest__links__repository__name=name,
    ).values_list("size"),
)


@question
def find_manifest(repository: Repository, digest: Digest) -> StoredManifest | None:
    """The manifest, if the repository is known to contain it."""
    row = _MANIFEST.first(str(digest), repository.upstream, str(repository.name))
    return StoredManifest(digest, row[0], bytes(row[1])) if row else None


@question
def find_held_manifest(digest: Digest) -> StoredManifest | None:
    """The manifest, if any repository contains it: no word on who may have it."""
    row = (
        models.Manifest.objects.filter(digest=str(digest)).values_list("media_type", "body").first()
    )
    return StoredManifest(digest, row[0], bytes(row[1])) if row else None


@question
def is_manifest_held(digest: Digest) -> bool:
    """Whether some repository contains this manifest."""
    return models.Manifest.objects.filter(digest=str(digest)).exists()


@question
def any_manifest(upstreams: Collection[str]) -> tuple[Repository, Digest] | None:
    """A manifest that is held, the newest of these upstreams; None if there is none."""
    row = (
        models.ManifestLink.objects.filter(repository__upstream__in=upstreams)
        .order_by("-pk")
        .values_list("repository__upstream", "repository__name", "manifest__digest")
        .first()
    )
    if row is None:
        return None
    upstream, name, digest = row
    return Repository(upstream, RepositoryName(name)), Digest.parse(digest)


@note
def record_manifest(repository: Repository, manifest: Manifest, now: datetime) -> None:
    """Upstream gave this manifest in this repository."""
    _link_manifest(repository, manifest_row(manifest, now), now)


def manifest_row(manifest: Manifest, now: datetime) -> models.Manifest:
    """The row, made with its references if the manifest is new here; inside a transaction."""
    references = {
        str(descriptor.digest): models.ManifestReference(
            digest=str(descriptor.digest), size=descriptor.size, is_manifest=is_manifest
        )
        for is_manifest, descriptors in ((False, manifest.blobs), (True, manifest.children))
        for descriptor in descriptors
    }
    # Locked, as far as the database locks rows: an eviction must not remove it under our hands.
    row, is_new = models.Manifest.objects.select_for_update().get_or_create(
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
    return row


@note
def link_manifest(repository: Repository, digest: Digest, now: datetime) -> None:
    """Upstream vouched that the repository contains a manifest that is held already."""
    row = models.Manifest.objects.select_for_update().filter(digest=str(digest)).first()
    if row is not None:
        _link_manifest(repository, row, now)


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


@question
def promised_size(repository: Repository, digest: Digest) -> int | None:
    """The size in bytes that a manifest of this repository gives for a blob."""
    row = _PROMISED.first(str(digest), repository.upstream, str(repository.name))
    return None if row is None else row[0]


def _referrer_type(manifest: Manifest) -> str:
    return (manifest.artifact_type or "")[:255]


def _link_manifest(repository: Repository, row: models.Manifest, now: datetime) -> None:
    models.ManifestLink.objects.bulk_create(
        [
            models.ManifestLink(
                repository=repository_row(repository, now),
                manifest=row,
                proved_at=now,
                pulled_at=now,
            )
        ],
        ignore_conflicts=True,
    )
