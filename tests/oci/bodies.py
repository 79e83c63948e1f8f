"""Manifests for these tests, and the JSON that they are made of."""

from __future__ import annotations

import json
from typing import Any

from cache.oci.digest import Digest
from cache.oci.media_types import OCI_CONFIG, OCI_MANIFEST

LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


def name_of(content: str, algorithm: str = "sha256") -> str:
    return str(Digest.of(content.encode(), algorithm))


def pointer(content: str, media_type: str = LAYER, **more: Any) -> dict[str, Any]:
    """A descriptor of `content`."""
    return {"mediaType": media_type, "digest": name_of(content), "size": len(content), **more}


def child(content: str, os: str, architecture: str, **more: str) -> dict[str, Any]:
    """An index's entry."""
    platform = {"os": os, "architecture": architecture, **more}
    return pointer(content, OCI_MANIFEST, platform=platform)


def image(**more: Any) -> dict[str, Any]:
    return {
        "schemaVersion": 2,
        "config": pointer("config", OCI_CONFIG),
        "layers": [pointer("one"), pointer("two")],
        **more,
    }


def body(document: object) -> bytes:
    return json.dumps(document, indent=3).encode()
