"""The database's shape, one file per noun. Only the catalog and its neighbours look in here."""

from cache.models.access import AccessToken, AccessTokenLimit, Grant, VisibilityRule
from cache.models.blob import Blob, BlobLink
from cache.models.incident import Incident
from cache.models.manifest import Manifest, ManifestLink, ManifestReference
from cache.models.repository import Repository
from cache.models.retention import DoomedFile, Pin, Removal
from cache.models.tag import Tag, TagMove

__all__ = [
    "AccessToken",
    "AccessTokenLimit",
    "Blob",
    "BlobLink",
    "DoomedFile",
    "Grant",
    "Incident",
    "Manifest",
    "ManifestLink",
    "ManifestReference",
    "Pin",
    "Removal",
    "Repository",
    "Tag",
    "TagMove",
    "VisibilityRule",
]
