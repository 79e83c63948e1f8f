"""What the pull path asks of the database, and tells it: functions named by their question.

They take and return plain frozen values. On a warm pull each is one query and no write.

A question raises ``django.db.Error`` when the database does not answer. What is told (functions
that return whether it was recorded) is a note, see :mod:`cache.database`: without it the next pull
asks upstream again.
"""

from cache.catalog.adoption import (
    AdoptedBlob,
    AdoptedTag,
    adopt_blob_links,
    adopt_blobs,
    adopt_manifests,
    adopt_tags,
)
from cache.catalog.blobs import (
    KnownLink,
    find_blob_link,
    forget_blob,
    link_blob,
    list_recorded,
    record_blob,
    record_fill,
    record_lost_fill,
    recorded_size,
)
from cache.catalog.manifests import (
    StoredManifest,
    any_manifest,
    find_held_manifest,
    find_manifest,
    is_manifest_held,
    link_manifest,
    list_referrers,
    promised_size,
    record_manifest,
)
from cache.catalog.pulls import write_down
from cache.catalog.repositories import is_repository_known, list_repositories
from cache.catalog.tags import (
    KnownTag,
    any_tag,
    confirm_tags,
    drop_tag,
    find_tag,
    list_tags,
    record_tag,
)
from cache.catalog.traffic import (
    add_traffic,
    end_outage,
    expire_traffic,
    ongoing_outages,
    record_disk,
    record_outage,
    record_quota,
)
from cache.database import let_go

__all__ = [
    "AdoptedBlob",
    "AdoptedTag",
    "KnownLink",
    "KnownTag",
    "StoredManifest",
    "add_traffic",
    "adopt_blob_links",
    "adopt_blobs",
    "adopt_manifests",
    "adopt_tags",
    "any_manifest",
    "any_tag",
    "confirm_tags",
    "drop_tag",
    "end_outage",
    "expire_traffic",
    "find_blob_link",
    "find_held_manifest",
    "find_manifest",
    "find_tag",
    "forget_blob",
    "is_manifest_held",
    "is_repository_known",
    "let_go",
    "link_blob",
    "link_manifest",
    "list_recorded",
    "list_referrers",
    "list_repositories",
    "list_tags",
    "ongoing_outages",
    "promised_size",
    "record_blob",
    "record_disk",
    "record_fill",
    "record_lost_fill",
    "record_manifest",
    "record_outage",
    "record_quota",
    "record_tag",
    "recorded_size",
    "write_down",
]
