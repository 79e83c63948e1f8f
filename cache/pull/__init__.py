"""The use cases of a pull: each joins the catalog, the store and upstream to answer a client.

They take parsed values, and refuse with :class:`~cache.oci.errors.RegistryError` only.
"""

from cache.pull.ahead import missing_bytes, watch_arriving
from cache.pull.blob_bodies import Body, read_blob
from cache.pull.blobs import Arriving, Held, Stat, hand_over, open_blob, stat_blob
from cache.pull.listings import list_referrers, list_repositories, list_tags
from cache.pull.manifests import (
    ManifestAnswer,
    check_tag,
    is_manifest_here,
    last_known,
    resolve_manifest,
)
from cache.pull.outcome import Outcome
from cache.pull.permission import may_pull
from cache.pull.refusals import OfflineByWish, Unauthorized
from cache.streaming.span import Span

__all__ = [
    "Arriving",
    "Body",
    "Held",
    "ManifestAnswer",
    "OfflineByWish",
    "Outcome",
    "Span",
    "Stat",
    "Unauthorized",
    "check_tag",
    "hand_over",
    "is_manifest_here",
    "last_known",
    "list_referrers",
    "list_repositories",
    "list_tags",
    "may_pull",
    "missing_bytes",
    "open_blob",
    "read_blob",
    "resolve_manifest",
    "stat_blob",
    "watch_arriving",
]
