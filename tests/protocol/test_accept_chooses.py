"""What a tag means depends on the client's whole Accept set; a digest means its bytes."""

from __future__ import annotations

import httpx
import pytest

from cache.oci.media_types import DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST
from tests.fakes.images import LINUX_ARM64, Index, build_image, build_index
from tests.fakes.upstream import FakeUpstream


@pytest.fixture
def index(upstream: FakeUpstream, name: str) -> Index:
    arm = build_image([b"arm", name.encode()], platform=LINUX_ARM64)
    amd = build_image([b"amd", name.encode()])
    return upstream.put_index(name, build_index([arm, amd]), "multi")


@pytest.mark.parametrize("accept", [[], [("Accept", "*/*")], [("Accept", "application/*")]])
def test_who_takes_all_gets_the_index(
    client: httpx.Client, index: Index, name: str, accept: list[tuple[str, str]]
) -> None:
    answer = client.get(f"/{name}/manifests/multi", headers=accept)
    assert answer.content == index.manifest


def test_several_lines_are_one_set(client: httpx.Client, index: Index, name: str) -> None:
    lines = [("Accept", DOCKER_MANIFEST), ("Accept", OCI_MANIFEST), ("Accept", OCI_INDEX)]
    assert client.get(f"/{name}/manifests/multi", headers=lines).content == index.manifest


def test_who_takes_no_index_gets_linux_amd64(
    client: httpx.Client, upstream: FakeUpstream, index: Index, name: str
) -> None:
    headers = {"Accept": f"{OCI_MANIFEST}, {DOCKER_MANIFEST}"}
    for method in ("GET", "HEAD", "GET"):
        answer = client.request(method, f"/{name}/manifests/multi", headers=headers)
        assert answer.headers["Docker-Content-Digest"] == str(index.images[1].digest)
        assert answer.headers["Content-Type"] == OCI_MANIFEST
    assert answer.content == index.images[1].manifest
    assert len(upstream.seen("GET", name)) == 2, "the index and the one image"


def test_upstream_is_sent_the_whole_set(
    client: httpx.Client, upstream: FakeUpstream, index: Index, name: str
) -> None:
    client.get(f"/{name}/manifests/multi", headers={"Accept": OCI_INDEX})
    for seen in upstream.seen(path=name):
        sent = seen.header("Accept") or ""
        assert all(t in sent for t in (OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, DOCKER_MANIFEST))


def test_an_image_that_the_client_cannot_read_is_not_sent(
    client: httpx.Client, upstream: FakeUpstream, name: str
) -> None:
    image = upstream.add_image(name, "v1", [name.encode()])
    headers = {"Accept": DOCKER_MANIFEST}
    refused = client.get(f"/{name}/manifests/v1", headers=headers)
    assert refused.status_code == 404
    assert OCI_MANIFEST in refused.json()["errors"][0]["message"]
    by_digest = client.get(f"/{name}/manifests/{image.digest}", headers=headers)
    assert by_digest.content == image.manifest


@pytest.mark.parametrize("registry", ["docker.io", None])
def test_a_client_may_name_the_registry(
    client: httpx.Client, upstream: FakeUpstream, index: Index, name: str, registry: str | None
) -> None:
    namespace = registry or f"{upstream.host}:{upstream.port}"
    answer = client.get(f"/{name}/manifests/multi", params={"ns": namespace})
    assert answer.content == index.manifest
    assert answer.headers["OCI-Namespace"] == namespace
