"""Images and indexes with real configs and layers, in OCI's and in Docker's media types."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cache.oci.digest import Digest
from cache.oci.media_types import (
    DOCKER_CONFIG,
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_MANIFEST,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"


@dataclass(frozen=True, slots=True)
class Platform:
    architecture: str = "amd64"
    os: str = "linux"
    variant: str | None = None

    def fields(self) -> dict[str, str]:
        known = {"architecture": self.architecture, "os": self.os, "variant": self.variant}
        return {name: value for name, value in known.items() if value is not None}


LINUX_AMD64 = Platform()
LINUX_ARM64 = Platform("arm64", variant="v8")


@dataclass(frozen=True, slots=True)
class Image:
    """The bytes of an image: manifest, config and layers."""

    manifest: bytes
    media_type: str
    config: bytes
    layers: tuple[bytes, ...]
    platform: Platform

    @property
    def digest(self) -> Digest:
        return Digest.of(self.manifest)

    @property
    def config_digest(self) -> Digest:
        return Digest.of(self.config)

    @property
    def layer_digests(self) -> tuple[Digest, ...]:
        return tuple(Digest.of(layer) for layer in self.layers)


@dataclass(frozen=True, slots=True)
class Index:
    """The bytes of an index; its images are stored apart from it."""

    manifest: bytes
    media_type: str
    images: tuple[Image, ...]

    @property
    def digest(self) -> Digest:
        return Digest.of(self.manifest)


def gzipped_layer(files: Mapping[str, bytes], executable: bool = False) -> bytes:
    """A layer that a client can unpack. The same files give the same bytes."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as archive:
        for path, data in files.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(data)
            entry.mode = 0o755 if executable else 0o644
            archive.addfile(entry, io.BytesIO(data))
    return gzip.compress(plain.getvalue(), compresslevel=1, mtime=0)


def build_image(
    layers: Sequence[bytes],
    *,
    docker: bool = False,
    platform: Platform = LINUX_AMD64,
    command: Sequence[str] = ("/bin/true",),
    extra: Mapping[str, Any] | None = None,
) -> Image:
    """An image over these layers; `extra` adds fields to its manifest (`subject`, …).

    Layers may be any bytes: those that are not gzip cannot be unpacked, but can be pulled.
    """
    config = _dump(
        {
            **platform.fields(),
            "config": {"Cmd": list(command)},
            "rootfs": {"type": "layers", "diff_ids": [_diff_id(layer) for layer in layers]},
            "history": [{"created_by": f"layer {n}"} for n, _ in enumerate(layers)],
        }
    )
    media_type = DOCKER_MANIFEST if docker else OCI_MANIFEST
    manifest = {
        "schemaVersion": 2,
        "mediaType": media_type,
        "config": descriptor(config, DOCKER_CONFIG if docker else OCI_CONFIG),
        "layers": [descriptor(data, DOCKER_LAYER if docker else OCI_LAYER) for data in layers],
        **(extra or {}),
    }
    return Image(_dump(manifest), media_type, config, tuple(layers), platform)


def build_index(images: Sequence[Image], *, docker: bool = False) -> Index:
    """An index (Docker: a manifest list) of these images by their platforms."""
    media_type = DOCKER_LIST if docker else OCI_INDEX
    manifests = [
        {**descriptor(image.manifest, image.media_type), "platform": image.platform.fields()}
        for image in images
    ]
    body = _dump({"schemaVersion": 2, "mediaType": media_type, "manifests": manifests})
    return Index(body, media_type, tuple(images))


def descriptor(data: bytes, media_type: str) -> dict[str, Any]:
    """The JSON form of a descriptor of these bytes."""
    return {"mediaType": media_type, "digest": str(Digest.of(data)), "size": len(data)}


def _dump(value: object) -> bytes:
    return json.dumps(value, indent=3).encode()


def _diff_id(layer: bytes) -> str:
    try:
        plain = gzip.decompress(layer)
    except (OSError, EOFError):
        plain = layer
    return f"sha256:{hashlib.sha256(plain).hexdigest()}"
