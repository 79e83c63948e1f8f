"""Manifests: upstream's bytes, kept as they are, and what they point to.

OCI Image Specification (manifest.md, image-index.md), Docker's schema 2, list and schema 1, and
artifacts of any media type, which need only be a JSON object.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cache.oci.descriptor import (
    MOST_DESCRIPTORS,
    Annotations,
    BadManifest,
    Descriptor,
    JsonObject,
    Platform,
    UnknownAlgorithm,
    parse_annotations,
    parse_descriptor,
    parse_digest,
    parse_object,
    parse_text,
)
from cache.oci.digest import Digest
from cache.oci.media_types import (
    DOCKER_CONFIG,
    DOCKER_MANIFEST,
    DOCKER_SCHEMA1,
    DOCKER_SCHEMA1_SIGNED,
    IMAGE_TYPES,
    INDEX_TYPES,
    MANIFEST_TYPES,
    OCI_ARTIFACT,
    OCI_INDEX,
    OCI_MANIFEST,
    OCTET_STREAM,
    SCHEMA1_TYPES,
    media_type_of,
)
from cache.oci.schema1 import signed_payload

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "DEEPEST_INDEX",
    "MAX_MANIFEST_BYTES",
    "Annotations",
    "BadManifest",
    "Descriptor",
    "Manifest",
    "Platform",
    "child_for",
    "descriptor_of",
    "filter_referrers",
    "read_manifest",
    "referrers_index",
]

MAX_MANIFEST_BYTES = 4 * 1024 * 1024
"""What registries must accept at least, and clients read at most (distribution spec, "Push")."""

DEEPEST_INDEX = 4
"""An index may hold indexes; nobody nests them deeper than this on purpose."""

# Types that servers send for any JSON; they say nothing about the manifest.
_GENERIC_TYPES = frozenset({"", "application/json", OCTET_STREAM, "text/plain", "text/html"})


@dataclass(frozen=True, slots=True)
class Manifest:
    """A verified manifest. `body` is byte for byte what upstream sent.

    `blobs` holds each blob once (config first, where there is one); `children` is an index's list
    as it stands, where one digest may serve several platforms.
    """

    digest: Digest
    media_type: str
    body: bytes
    config: Descriptor | None = None
    blobs: tuple[Descriptor, ...] = ()
    children: tuple[Descriptor, ...] = ()
    subject: Descriptor | None = None
    artifact_type: str | None = None
    annotations: Annotations = ()


def read_manifest(
    body: bytes,
    content_type: str | None,
    digest: Digest | None = None,
    max_bytes: int = MAX_MANIFEST_BYTES,
) -> Manifest:
    """Verify and read what upstream answered. Raises BadManifest, nothing else.

    The manifest's digest is computed with the algorithm of `digest`, and must be equal to it;
    without one (a tag was asked for) it is the sha256. The media type is the Content-Type's if
    that names a kind of manifest, else the body's own, else what the body's shape tells.
    """
    if len(body) > max_bytes:
        raise BadManifest(f"longer than the {max_bytes} bytes that a manifest may have")
    document = parse_object(body)
    media_type = _media_type(media_type_of(content_type), document)
    signed = signed_payload(body, document) if media_type in SCHEMA1_TYPES else body
    actual = Digest.of(signed, digest.algorithm if digest else "sha256")
    if digest is not None and actual != digest:
        raise BadManifest(f"the digest of the bytes is {actual}, asked for was {digest}")
    if media_type not in MANIFEST_TYPES:
        document = _without_malformed(document)
    config, blobs, children = _pointers(media_type, document)
    return Manifest(
        digest=actual,
        media_type=media_type,
        body=body,
        config=config,
        blobs=_distinct(blobs),
        children=tuple(children),
        subject=_optional(document, "subject"),
        artifact_type=parse_text(document, "artifactType") or None,
        annotations=parse_annotations(document),
    )


def _media_type(header: str, document: JsonObject) -> str:
    if header in MANIFEST_TYPES:
        return header
    own = document.get("mediaType")
    declared = media_type_of(own if isinstance(own, str) else None)
    if declared not in _GENERIC_TYPES:
        return declared
    if header not in _GENERIC_TYPES:
        return header
    return _guess(document)


def _guess(document: JsonObject) -> str:
    # Only OCI's manifests may leave their media type out, and schema 1 never had one.
    index, image = "manifests" in document, "config" in document and "layers" in document
    if index and image:
        raise BadManifest("it may be an index or an image: nothing tells which")
    if index:
        return OCI_INDEX
    if image:
        return _guess_image(document["config"])
    if document.get("schemaVersion") == 1:
        return DOCKER_SCHEMA1_SIGNED if "signatures" in document else DOCKER_SCHEMA1
    raise BadManifest("nothing tells which kind of manifest it is")


def _guess_image(config: object) -> str:
    if isinstance(config, dict) and config.get("mediaType") == DOCKER_CONFIG:
        return DOCKER_MANIFEST
    return OCI_MANIFEST


def _pointers(
    media_type: str, document: JsonObject
) -> tuple[Descriptor | None, list[Descriptor], list[Descriptor]]:
    """The config, all blobs (config included) and the children."""
    if media_type in INDEX_TYPES:
        if "manifests" not in document:
            raise BadManifest("an index without manifests")
        return None, [], _descriptors(document, "manifests")
    if media_type in IMAGE_TYPES:
        config = parse_descriptor(document.get("config"))
        layers = _descriptors(document, "layers")
        return config, [config, *layers], []
    if media_type in SCHEMA1_TYPES:
        return None, [_schema1_layer(item) for item in _items(document, "fsLayers")], []
    if media_type == OCI_ARTIFACT:
        return None, _descriptors(document, "blobs"), []
    # Any other artifact: descriptors where an image manifest and an index have theirs.
    first = _optional(document, "config")
    rest = [*_descriptors(document, "layers"), *_descriptors(document, "blobs")]
    children = _descriptors(document, "manifests")
    return first, [first, *rest] if first else rest, children


def _descriptors(document: JsonObject, key: str) -> list[Descriptor]:
    """A list of descriptors, without those whose digests we cannot verify and so never serve.

    The manifest itself is passed on with all of them: other registries may know the algorithm.
    """
    found = []
    for item in _items(document, key):
        with suppress(UnknownAlgorithm):
            found.append(parse_descriptor(item))
    return found


def _distinct(blobs: list[Descriptor]) -> tuple[Descriptor, ...]:
    first: dict[Digest, Descriptor] = {}
    for blob in blobs:
        first.setdefault(blob.digest, blob)
    return tuple(first.values())


def _items(document: JsonObject, key: str) -> list[Any]:
    # Go's encoder writes null for an empty list; clients read an absent one as empty, too.
    items = document.get(key)
    if items is None:
        return []
    if not isinstance(items, list):
        raise BadManifest(f"{key} is not a list")
    if len(items) > MOST_DESCRIPTORS:
        raise BadManifest(f"{key} has more than {MOST_DESCRIPTORS} entries")
    return items


def _optional(document: JsonObject, key: str) -> Descriptor | None:
    value = document.get(key)
    return None if value is None else parse_descriptor(value)


def _schema1_layer(item: object) -> Descriptor:
    if not isinstance(item, dict):
        raise BadManifest("an entry of fsLayers is not a JSON object")
    return Descriptor(OCTET_STREAM, parse_digest(item.get("blobSum")), size=None)


def _without_malformed(document: JsonObject) -> JsonObject:
    """An artifact of an unknown type, without what only looks like a manifest's properties."""
    kept: JsonObject = {"annotations": document.get("annotations")}
    for key in ("config", "subject"):
        if _is_descriptor(document.get(key)):
            kept[key] = document[key]
    for key in ("layers", "blobs", "manifests"):
        if isinstance(document.get(key), list):
            kept[key] = [item for item in _items(document, key) if _is_descriptor(item)]
    with suppress(BadManifest):
        kept["artifactType"] = parse_text(document, "artifactType")
    return kept


def _is_descriptor(value: object) -> bool:
    try:
        parse_descriptor(value)
    except BadManifest:
        return False
    return True


def child_for(
    manifest: Manifest, os: str = "linux", architecture: str = "amd64"
) -> Descriptor | None:
    """The child for a client that accepts no index: the first one for the platform, or None.

    Docker's registry answers such clients with linux/amd64, whatever the variant.
    """
    for child in manifest.children:
        platform = child.platform
        if platform and platform.os == os and platform.architecture == architecture:
            return child
    return None


def descriptor_of(manifest: Manifest) -> Descriptor:
    """The manifest's entry in the list of its subject's referrers.

    Its artifact type is the manifest's own or, for an image, its config's media type
    (distribution spec, "Listing Referrers").
    """
    artifact_type = manifest.artifact_type
    if artifact_type is None and manifest.config is not None:
        artifact_type = manifest.config.media_type or None
    return Descriptor(
        media_type=manifest.media_type,
        digest=manifest.digest,
        size=len(manifest.body),
        artifact_type=artifact_type,
        annotations=manifest.annotations,
    )


def filter_referrers(
    descriptors: Iterable[Descriptor], artifact_type: str | None
) -> tuple[Descriptor, ...]:
    """Those of exactly this artifact type; all of them if none is asked for."""
    return tuple(
        found for found in descriptors if not artifact_type or found.artifact_type == artifact_type
    )


def referrers_index(descriptors: Iterable[Descriptor]) -> bytes:
    """The OCI index that answers `/referrers/<digest>`; with no descriptors an empty one.

    A size that is not known is rendered as 0, for clients want a number there.
    """
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": [_rendered(descriptor) for descriptor in descriptors],
    }
    return json.dumps(document, separators=(",", ":")).encode("ascii")


def _rendered(descriptor: Descriptor) -> JsonObject:
    entry: JsonObject = {
        "mediaType": descriptor.media_type,
        "digest": str(descriptor.digest),
        "size": descriptor.size or 0,
    }
    if descriptor.platform is not None:
        entry["platform"] = _rendered_platform(descriptor.platform)
    if descriptor.artifact_type:
        entry["artifactType"] = descriptor.artifact_type
    if descriptor.annotations:
        entry["annotations"] = dict(descriptor.annotations)
    return entry


def _rendered_platform(platform: Platform) -> JsonObject:
    entry = {"os": platform.os, "architecture": platform.architecture}
    return entry | {"variant": platform.variant} if platform.variant else entry
