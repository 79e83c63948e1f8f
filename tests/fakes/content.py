"""What a fake registry holds."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from cache.oci.digest import Digest


@dataclass(frozen=True, slots=True)
class StoredManifest:
    body: bytes
    media_type: str
    digest: Digest

    def fields(self) -> dict[str, Any]:
        """The manifest's JSON object; empty if it is none."""
        try:
            parsed = json.loads(self.body)
        except ValueError:
            return {}
        return parsed if isinstance(parsed, dict) else {}


@dataclass(slots=True)
class Repository:
    """Keys are the digest's text."""

    blobs: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[str, StoredManifest] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    def manifest(self, reference: str) -> StoredManifest | None:
        return self.manifests.get(self.tags.get(reference, reference))

    def referrers(self, subject: str, artifact_type: str | None) -> list[dict[str, Any]]:
        """Descriptors of the manifests whose subject this is (OCI distribution, "Referrers")."""
        found = []
        for manifest in self.manifests.values():
            fields = manifest.fields()
            kind = fields.get("artifactType") or fields.get("config", {}).get("mediaType")
            if fields.get("subject", {}).get("digest") != subject:
                continue
            if artifact_type is not None and kind != artifact_type:
                continue
            found.append(
                {
                    "mediaType": manifest.media_type,
                    "digest": str(manifest.digest),
                    "size": len(manifest.body),
                    "artifactType": kind,
                }
            )
        return found
