"""What the mirrors are asked for: files below one folder, at the paths that clients ask for.

nginx serves the folder twice: as the registry that is mirrored, and as the limit of what the
machine can do with these bytes.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.plan import MIB
from cache.oci.digest import Digest
from cache.oci.media_types import OCI_CONFIG, OCI_MANIFEST
from tests.e2e.images import noise
from tests.fakes.images import OCI_LAYER

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

REPOSITORY = "bench/image"
CONFIG_SIZE = 2048


@dataclass(frozen=True, slots=True)
class Blob:
    """`size` is in bytes."""

    digest: Digest
    size: int

    @property
    def path(self) -> str:
        """Where every server has it."""
        return f"/v2/{REPOSITORY}/blobs/{self.digest}"


@dataclass(frozen=True, slots=True)
class Image:
    """An image of the repository, under a tag of its own."""

    tag: str
    digest: Digest
    config: Blob
    layers: tuple[Blob, ...]

    @property
    def by_digest(self) -> str:
        return f"/v2/{REPOSITORY}/manifests/{self.digest}"

    @property
    def by_tag(self) -> str:
        return f"/v2/{REPOSITORY}/manifests/{self.tag}"


class Content:
    """The files below `root`. Images are to be added before a server starts, blobs at any time."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.digests: dict[str, Digest] = {}
        """Of the manifest, by its path."""
        for kind in ("blobs", "manifests"):
            (root / "v2" / REPOSITORY / kind).mkdir(parents=True)

    def file(self, path: str) -> Path:
        """What a server answers to this path."""
        return self.root / path.removeprefix("/")

    def add_blob(self, size: int, seed: str) -> Blob:
        """A blob of noise, another one for each seed."""
        draft = self.root / "draft"
        hasher = hashlib.sha256()
        with draft.open("wb") as file:
            for piece in _pieces(size, seed):
                file.write(piece)
                hasher.update(piece)
        blob = Blob(Digest.parse(f"sha256:{hasher.hexdigest()}"), size)
        draft.replace(self.file(blob.path))
        return blob

    def forget(self, blob: Blob) -> None:
        """Free the disk of it."""
        self.file(blob.path).unlink()

    def add_image(self, tag: str, layers: Sequence[int]) -> Image:
        """An image with layers of these sizes, none of which another image has."""
        config = self.add_blob(CONFIG_SIZE, f"{tag} config")
        blobs = tuple(
            self.add_blob(size, f"{tag} layer {number}") for number, size in enumerate(layers)
        )
        body = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": OCI_MANIFEST,
                "config": _descriptor(OCI_CONFIG, config),
                "layers": [_descriptor(OCI_LAYER, blob) for blob in blobs],
            }
        ).encode()
        image = Image(tag, Digest.of(body), config, blobs)
        for path in (image.by_digest, image.by_tag):
            self.file(path).write_bytes(body)
            self.digests[path] = image.digest
        return image


def _pieces(size: int, seed: str) -> Iterator[bytes]:
    piece = noise(min(size, MIB), seed)
    for _ in range(size // len(piece)):
        yield piece


def _descriptor(media_type: str, blob: Blob) -> dict[str, object]:
    return {"mediaType": media_type, "digest": str(blob.digest), "size": blob.size}
