"""Byte for byte, with their media type and digest, whatever kind of manifest it is."""

from __future__ import annotations

import json

import httpx
import pytest

from cache.oci.digest import Digest
from cache.oci.media_types import DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST
from tests.fakes.images import LINUX_ARM64, build_image, build_index
from tests.fakes.upstream import FakeUpstream


def _index_of(digest: Digest, media_type: str, size: int) -> bytes:
    child = {"mediaType": media_type, "digest": str(digest), "size": size}
    return json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [child]}).encode()


def _of_kind(kind: str) -> tuple[bytes, str]:
    image = build_image([kind.encode()], docker=kind.startswith("docker"))
    index = build_index([image], docker=kind.startswith("docker"))
    artifact = json.dumps({"mediaType": "application/vnd.example.thing+json", "x": 1}).encode()
    return {
        "docker": (image.manifest, DOCKER_MANIFEST),
        "docker-list": (index.manifest, DOCKER_LIST),
        "oci": (image.manifest, OCI_MANIFEST),
        "oci-index": (index.manifest, OCI_INDEX),
        "artifact": (artifact, "application/vnd.example.thing+json"),
        "nested": (_index_of(index.digest, OCI_INDEX, len(index.manifest)), OCI_INDEX),
    }[kind]


KINDS = ["docker", "docker-list", "oci", "oci-index", "artifact", "nested"]


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
@pytest.mark.parametrize("kind", KINDS)
def test_by_tag_and_by_digest(
    client: httpx.Client, upstream: FakeUpstream, name: str, kind: str, algorithm: str
) -> None:
    body, media_type = _of_kind(kind)
    digest = upstream.add_manifest(name, body, media_type, "v1", digest_algorithm=algorithm)

    for reference in ("v1", str(digest)):
        answer = client.get(f"/{name}/manifests/{reference}")
        assert answer.status_code == 200
        assert answer.content == body
        assert answer.headers["Content-Type"] == media_type
        assert answer.headers["Docker-Content-Digest"] == str(digest)
        assert answer.headers["Docker-Distribution-Api-Version"] == "registry/2.0"


def test_head_has_the_headers_of_get(
    client: httpx.Client, upstream: FakeUpstream, name: str
) -> None:
    image = upstream.add_image(name, "v1", [name.encode()])
    for reference in ("v1", str(image.digest)):
        head = client.head(f"/{name}/manifests/{reference}")
        got = client.get(f"/{name}/manifests/{reference}")
        for header in ("Content-Type", "Content-Length", "Docker-Content-Digest", "ETag"):
            assert head.headers[header] == got.headers[header]
        assert head.headers["Content-Length"] == str(len(image.manifest))
        assert head.content == b""


def test_a_digest_costs_one_get_and_then_nothing(
    client: httpx.Client, upstream: FakeUpstream, name: str
) -> None:
    image = upstream.add_image(name, None, [name.encode()])
    outcomes = [
        client.get(f"/{name}/manifests/{image.digest}").headers["X-Cache"] for _ in range(3)
    ]
    assert outcomes == ["MISS", "HIT", "HIT"]
    assert len(upstream.seen(path=name)) == 1


def test_if_none_match_answers_304(client: httpx.Client, upstream: FakeUpstream, name: str) -> None:
    image = upstream.add_image(name, "v1", [name.encode()])
    etag = client.get(f"/{name}/manifests/v1").headers["ETag"]
    assert etag == f'"{image.digest}"'
    for sent in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        again = client.get(f"/{name}/manifests/v1", headers={"If-None-Match": sent})
        assert (again.status_code, again.content) == (304, b"")
    other = client.get(f"/{name}/manifests/v1", headers={"If-None-Match": '"sha256:0"'})
    assert other.status_code == 200


def test_another_repositorys_manifest_is_proved_and_not_fetched_again(
    client: httpx.Client, upstream: FakeUpstream, name: str
) -> None:
    image = upstream.add_image(name, None, [name.encode()])
    other = f"{name}/other"
    client.get(f"/{name}/manifests/{image.digest}")
    assert client.get(f"/{other}/manifests/{image.digest}").status_code == 404
    upstream.put_image(other, image)
    assert client.get(f"/{other}/manifests/{image.digest}").content == image.manifest
    assert client.get(f"/{other}/manifests/{image.digest}").headers["X-Cache"] == "HIT"
    assert len(upstream.seen("GET", name)) == 1


def test_bytes_with_another_digest_are_upstreams_fault(
    client: httpx.Client, upstream: FakeUpstream, name: str
) -> None:
    image = upstream.add_image(name, None, [name.encode()])
    stored = upstream.repository(name).manifests
    stored[str(image.digest)] = stored[str(image.digest)].__class__(
        build_image([b"else"], platform=LINUX_ARM64).manifest, OCI_MANIFEST, image.digest
    )
    assert client.get(f"/{name}/manifests/{image.digest}").status_code == 502


def test_a_manifest_over_4_mib_is_refused(
    client: httpx.Client, upstream: FakeUpstream, name: str
) -> None:
    image = build_image([b"x"], extra={"annotations": {"long": "x" * 4 * 1024 * 1024}})
    digest = upstream.put_image(name, image, "v1").digest
    for reference in ("v1", str(digest)):
        assert client.get(f"/{name}/manifests/{reference}").status_code == 502
