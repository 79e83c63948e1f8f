"""What the mirrors are asked for, at an upstream that answers from memory.

The tests' fake registry is the upstream, because it answers several times as many requests a
second as either mirror, or a real registry, and because it remembers what it was asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.plan import MIB
from tests.e2e.images import noise

if TYPE_CHECKING:
    from cache.oci.digest import Digest
    from tests.fakes.upstream import FakeUpstream

REPOSITORY = "bench/image"
_TAG = "latest"


@dataclass(frozen=True, slots=True)
class Paths:
    """Where a server has the small image: its manifest twice, and a layer of 1 MiB."""

    by_digest: str
    by_tag: str
    layer: str


def add_image(upstream: FakeUpstream) -> Paths:
    """The small image."""
    image = upstream.add_image(REPOSITORY, _TAG, (noise(MIB, "layer"),))
    return Paths(
        by_digest=f"/v2/{REPOSITORY}/manifests/{image.digest}",
        by_tag=f"/v2/{REPOSITORY}/manifests/{_TAG}",
        layer=blob_path(image.layer_digests[0]),
    )


def add_blob(upstream: FakeUpstream, size: int, seed: str) -> Digest:
    """A blob of `size` bytes (whole MiB), another one for each seed."""
    return upstream.add_blob(REPOSITORY, noise(MIB, seed) * (size // MIB))


def forget_blob(upstream: FakeUpstream, digest: Digest) -> None:
    """Free its memory."""
    del upstream.repository(REPOSITORY).blobs[str(digest)]


def blob_path(digest: Digest) -> str:
    return f"/v2/{REPOSITORY}/blobs/{digest}"
