"""Traffic through the mirror that the browser looks at, and what has grown old in it."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import httpx

from cache.oci.digest import Digest
from tests import database
from tests.e2e.mirror import Mirror
from tests.fakes.images import Image
from tests.fakes.plain import NO_AUTHORITY
from tests.fakes.upstream import FakeUpstream

#: A day of a quota that is used up and renewed.
_QUOTA = 100
_STEP = timedelta(minutes=10)


def make(mirror: Mirror, upstream: FakeUpstream) -> None:
    """Three images that share a layer, of which some are pulled more often than others."""
    for number, name in enumerate(("acme/shop", "acme/worker", "acme/base/python")):
        layer = random.Random(name).randbytes(2_000_000 * (number + 1))
        base = random.Random("base").randbytes(3_000_000)
        image = upstream.add_image(name, "latest", [base, layer])
        for _ in range(5 - number):
            for digest in image.layer_digests:
                pull(mirror, name, str(image.digest), digest)


def pull(mirror: Mirror, name: str, digest: str, layer: object) -> None:
    """What docker asks for, as far as one layer."""
    base = f"{mirror.url}/v2/ghcr.io/{name}"
    with httpx.Client(
        headers={"User-Agent": "docker/29.7.0 go/go1.24"}, trust_env=False, verify=NO_AUTHORITY
    ) as client:
        client.head(f"{base}/manifests/latest").raise_for_status()
        client.get(f"{base}/manifests/{digest}").raise_for_status()
        client.get(f"{base}/blobs/{layer}").raise_for_status()


def pull_whole(mirror: Mirror, name: str, image: Image) -> None:
    """An image with all that it needs."""
    for data in (image.config, *image.layers):
        pull(mirror, name, str(image.digest), Digest.of(data))


def make_quota_history(mirror: Mirror) -> None:
    """As if an upstream with a quota had been asked all day, which no fake has the time for."""
    now = datetime.now(UTC).replace(microsecond=0)
    now -= (now - datetime.fromtimestamp(0, UTC)) % _STEP
    rows = [
        (
            "docker.io",
            (now - _STEP * age).strftime("%Y-%m-%d %H:%M:%S"),
            _QUOTA,
            _QUOTA - (143 - age) % 36 * 2,
        )
        for age in range(144)
    ]
    for row in rows:
        database.change(
            mirror.root,
            "INSERT INTO cache_quotasample (upstream, start, total, remaining) VALUES (?, ?, ?, ?)",
            *row,
        )
