"""Tags: where they point, when that was confirmed, and how they moved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet

from cache import models
from cache.catalog.manifests import StoredManifest, is_manifest_held
from cache.catalog.prepared import Prepared, moment
from cache.catalog.repositories import repository_row
from cache.database import TROUBLE, note, question
from cache.oci.digest import Digest
from cache.oci.reference import Tag
from cache.oci.repository import Repository
from cache.traffic import Confirmation


@dataclass(frozen=True, slots=True)
class KnownTag:
    """A tag's last known answer, and when upstream confirmed it."""

    manifest: StoredManifest
    checked_at: datetime


_TAG = Prepared(
    "upstream",
    "name",
    "tag",
    build=lambda upstream, name, tag: models.Tag.objects.filter(
        repository__upstream=upstream, repository__name=name, name=tag
    ).values_list("manifest__digest", "manifest__media_type", "manifest__body", "checked_at"),
)


@question
def find_tag(repository: Repository, tag: Tag) -> KnownTag | None:
    """What the tag pointed to when upstream was last asked."""
    row = _TAG.first(repository.upstream, str(repository.name), str(tag))
    if row is None:
        return None
    digest, media_type, body, checked_at = row
    manifest = StoredManifest(Digest.parse(digest), media_type, bytes(body))
    return KnownTag(manifest, moment(checked_at))


def record_tag(repository: Repository, tag: Tag, digest: Digest, now: datetime) -> bool:
    """Upstream said that the tag points to a manifest; a move is noted.

    Nothing is, if the manifest is not held: the database did not take it a moment ago, and is not
    waited for a second time.
    """
    try:
        return is_manifest_held(digest) and _record_tag(repository, tag, digest, now)
    except TROUBLE:
        return False


@note
def confirm_tags(confirmed: Mapping[tuple[Repository, Tag], Confirmation]) -> None:
    """Upstream said at these moments that the tags point to where they did.

    A tag that another process has moved since is left alone.
    """
    for (repository, tag), confirmation in confirmed.items():
        still = _tag_rows(repository, tag).filter(manifest__digest=str(confirmation.digest))
        still.update(checked_at=confirmation.at)


@note
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
def list_tags(repository: Repository) -> list[str]:
    """The tags that were pulled from the repository, in no order."""
    rows = models.Tag.objects.filter(
        repository__upstream=repository.upstream, repository__name=str(repository.name)
    )
    return list(rows.values_list("name", flat=True))


@question
def any_tag(repository: Repository) -> Tag | None:
    """Some tag that was pulled from the repository, the one that upstream confirmed last."""
    rows = models.Tag.objects.filter(
        repository__upstream=repository.upstream, repository__name=str(repository.name)
    )
    name = rows.order_by("-checked_at").values_list("name", flat=True).first()
    return None if name is None else Tag.parse(name)


@note
def _record_tag(repository: Repository, tag: Tag, digest: Digest, now: datetime) -> None:
    target = models.Manifest.objects.select_for_update().filter(digest=str(digest)).first()
    if target is None:
        return
    row, is_new = models.Tag.objects.select_for_update().get_or_create(
        repository=repository_row(repository, now),
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


def _tag_rows(repository: Repository, tag: Tag) -> QuerySet[models.Tag]:
    return models.Tag.objects.filter(
        repository__upstream=repository.upstream,
        repository__name=str(repository.name),
        name=str(tag),
    )
