"""A cold image costs one token request, however many pull it from whichever worker.

And one as a stranger, which tells that the image is for everyone.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from tests.e2e.mirror import Mirror
from tests.fakes.authentication import TokenService
from tests.fakes.faults import Fault
from tests.fakes.plain import NO_AUTHORITY
from tests.fakes.upstream import FakeUpstream

NAME = "acme/app"
CLIENTS = 12


def test_of_a_cold_image_that_many_pull_at_once(tmp_path: Path) -> None:
    with FakeUpstream() as upstream, FakeUpstream("127.0.0.2") as storage:
        image = upstream.add_image(NAME, "v1", [bytes([n]) * 50_000 for n in range(3)])
        upstream.require_bearer(TokenService(users={"bob": "pw"}))
        upstream.redirect_blobs_to(storage)
        # slow enough for all to come meanwhile
        upstream.misbehave(Fault(bytes_per_second=400), path="/token")
        credentials = {"REGISTRY_PROXY_USERNAME": "bob", "REGISTRY_PROXY_PASSWORD": "pw"}
        with Mirror(tmp_path / "root", upstream.url, **credentials) as mirror:

            def pull(_number: int) -> list[bytes]:
                with httpx.Client(
                    base_url=f"{mirror.url}/v2/{NAME}",
                    timeout=60,
                    trust_env=False,
                    verify=NO_AUTHORITY,
                ) as client:
                    digests = [image.config_digest, *image.layer_digests]
                    blobs = [client.get(f"/blobs/{digest}").content for digest in digests]
                    return [client.get("/manifests/v1").content, *blobs]

            with ThreadPoolExecutor(CLIENTS) as pool:
                pulled = list(pool.map(pull, range(CLIENTS)))

    assert pulled == [[image.manifest, image.config, *image.layers]] * CLIENTS
    asked = [seen.header("authorization") for seen in upstream.seen(path="/token")]
    assert len([each for each in asked if each is not None]) == 1
    assert len(asked) == 2
    assert all(seen.header("authorization") is None for seen in storage.requests)
