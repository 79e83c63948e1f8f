"""Images that real clients can pull and run, made without a network."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from cache.oci.digest import Digest
from tests.fakes.images import (
    LINUX_ARM64,
    Image,
    Index,
    build_image,
    build_index,
    gzipped_layer,
)
from tests.fakes.plain import NO_AUTHORITY

if TYPE_CHECKING:
    from collections.abc import Iterable

MIB = 1024 * 1024
BIG_LAYER = 4 * MIB


def busybox_image(greeting: str, *, docker: bool = False) -> Image:
    """A linux/amd64 image that prints the greeting when it runs.

    No layer is shared with an image of another greeting, so that each starts out uncached.
    """
    return build_image(
        (
            gzipped_layer({"bin/busybox": _busybox(), "for": greeting.encode()}, executable=True),
            gzipped_layer({"data/random": noise(BIG_LAYER, greeting)}),
            gzipped_layer({"etc/greeting": f"{greeting}\n".encode()}),
        ),
        docker=docker,
        command=("/bin/busybox", "cat", "/etc/greeting"),
    )


def two_platform_index(greeting: str, *, docker: bool = False) -> Index:
    """The runnable linux/amd64 image, and one for linux/arm64 that nobody here can run."""
    other = gzipped_layer({"bin/busybox": noise(1000, f"{greeting} arm64")}, executable=True)
    return build_index(
        (
            busybox_image(greeting, docker=docker),
            build_image((other,), docker=docker, platform=LINUX_ARM64),
        ),
        docker=docker,
    )


def noise(size: int, seed: str) -> bytes:
    """Bytes that no compression shortens, the same for the same seed."""
    return random.Random(seed).randbytes(size)


def push(registry_url: str, repository: str, tag: str, content: Image | Index) -> None:
    """Store an image, or an index with all its images, under this tag."""
    with httpx.Client(
        base_url=f"{registry_url}/v2/{repository}/", trust_env=False, verify=NO_AUTHORITY
    ) as client:
        for image in content.images if isinstance(content, Index) else (content,):
            _upload(client, (image.config, *image.layers))
            _put_manifest(client, str(image.digest), image)
        _put_manifest(client, tag, content)


def push_blob(registry_url: str, repository: str, data: bytes) -> Digest:
    """Store one blob that no manifest names."""
    with httpx.Client(
        base_url=f"{registry_url}/v2/{repository}/", trust_env=False, verify=NO_AUTHORITY
    ) as client:
        _upload(client, (data,))
    return Digest.of(data)


def _upload(client: httpx.Client, blobs: Iterable[bytes]) -> None:
    """OCI Distribution Specification, "Pushing a blob monolithically"."""
    for data in blobs:
        begun = client.post("blobs/uploads/").raise_for_status()
        place = httpx.URL(begun.headers["Location"]).copy_merge_params(
            {"digest": str(Digest.of(data))}
        )
        client.put(
            place, content=data, headers={"Content-Type": "application/octet-stream"}
        ).raise_for_status()


def _put_manifest(client: httpx.Client, reference: str, content: Image | Index) -> None:
    client.put(
        f"manifests/{reference}",
        content=content.manifest,
        headers={"Content-Type": content.media_type},
    ).raise_for_status()


def _busybox() -> bytes:
    found = shutil.which("busybox")
    assert found is not None, "a test that builds images requires busybox"
    return Path(found).read_bytes()
