"""The database's shape, one file per noun. Only the catalog and its neighbours look in here."""

from cache.models.access import AccessToken, AccessTokenLimit, Grant, VisibilityRule
from cache.models.blob import Blob, BlobLink
from cache.models.incident import Incident
from cache.models.manifest import Manifest, ManifestLink, ManifestReference
from cache.models.purge import PurgeItem, PurgeOrder
from cache.models.repository import Repository
from cache.models.retention import DoomedFile, JanitorRun, Pin, Removal
from cache.models.right import Right
from cache.models.tag import Tag, TagMove
from cache.models.traffic import DiskSample, Outage, QuotaSample, Traffic

__all__ = [
    "AccessToken",
    "AccessTokenLimit",
    "Blob",
    "BlobLink",
    "DiskSample",
    "DoomedFile",
    "Grant",
    "Incident",
    "JanitorRun",
    "Manifest",
    "ManifestLink",
    "ManifestReference",
    "Outage",
    "Pin",
    "PurgeItem",
    "PurgeOrder",
    "QuotaSample",
    "Removal",
    "Repository",
    "Right",
    "Tag",
    "TagMove",
    "Traffic",
    "VisibilityRule",
]
