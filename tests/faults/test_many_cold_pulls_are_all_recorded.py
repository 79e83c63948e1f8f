"""A crowd of cold pulls is a crowd of writers: each one's note gets into the database."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from tests import database
from tests.e2e.mirror import Mirror
from tests.e2e.processes import eventually
from tests.fakes.images import Image
from tests.fakes.plain import NO_AUTHORITY
from tests.fakes.upstream import FakeUpstream

IMAGES = 150
CLIENTS = 75


def _pull(mirror: Mirror, number: int, image: Image) -> None:
    with httpx.Client(
        base_url=f"{mirror.url}/v2/a/i{number}", timeout=60, trust_env=False, verify=NO_AUTHORITY
    ) as it:
        assert it.get("/manifests/v1").status_code == 200
        for digest in image.layer_digests:
            assert it.get(f"/blobs/{digest}").status_code == 200


def _recorded(mirror: Mirror) -> int:
    """Of how many blobs it is known which repository has them."""
    ((count,),) = database.rows(mirror.root, "SELECT COUNT(*) FROM cache_bloblink")
    return int(count)


def test_the_second_pull_asks_upstream_for_tags_only(tmp_path: Path) -> None:
    with FakeUpstream() as upstream, Mirror(tmp_path / "root", upstream.url) as mirror:
        images = [
            upstream.add_image(f"a/i{n}", "v1", [f"{n} {layer}".encode() for layer in range(4)])
            for n in range(IMAGES)
        ]
        with ThreadPoolExecutor(CLIENTS) as pool:
            for pull in [pool.submit(_pull, mirror, n, image) for n, image in enumerate(images)]:
                pull.result()
        # A note waits in line behind those of the others, after its blob can be seen.
        eventually(lambda: _recorded(mirror) == 4 * IMAGES, "each blob was written down")
        assert len(upstream.seen("GET", "/blobs/")) == 4 * IMAGES
        upstream.record.reset()

        with ThreadPoolExecutor(8) as pool:
            for pull in [pool.submit(_pull, mirror, n, image) for n, image in enumerate(images)]:
                pull.result()

        assert "did not take a note" not in mirror.log
        again = [f"{seen.method} {seen.path}" for seen in upstream.seen()]
        assert [ask for ask in again if not re.fullmatch(r"HEAD .*/manifests/v1", ask)] == []
        assert again
