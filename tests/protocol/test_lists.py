"""Tags, referrers and the catalog, with paging."""

from __future__ import annotations

import json

import httpx
import pytest

from cache.oci.digest import Digest
from cache.oci.media_types import OCI_INDEX, OCI_MANIFEST
from tests.fakes.images import build_image, descriptor
from tests.fakes.upstream import FakeUpstream

TAGS = ["a", "b", "c", "d", "e"]


def _follow(client: httpx.Client, path: str, key: str) -> list[list[str]]:
    pages = []
    following: str | None = path
    while following:
        answer = client.get(following)
        assert answer.status_code == 200
        pages.append(answer.json()[key])
        link = answer.links.get("next")
        following = link["url"].removeprefix("/v2") if link else None
    return pages


@pytest.mark.parametrize("paging", [True, False])
def test_tags_come_in_pages_even_from_an_upstream_without(
    client: httpx.Client, upstream: FakeUpstream, name: str, paging: bool
) -> None:
    upstream.tags_paging = paging
    for tag in TAGS:
        upstream.add_image(name, tag)
    try:
        assert _follow(client, f"/{name}/tags/list?n=2", "tags") == [["a", "b"], ["c", "d"], ["e"]]
        whole = client.get(f"/{name}/tags/list")
        assert whole.json() == {"name": name, "tags": TAGS}
        assert "Link" not in whole.headers
        assert client.get(f"/{name}/tags/list?last=c").json()["tags"] == ["d", "e"]
        assert client.get(f"/{name}/tags/list?n=0").json()["tags"] == []
    finally:
        upstream.tags_paging = True


def test_the_catalog_is_what_is_cached_here(
    client: httpx.Client, upstream: FakeUpstream, name: str
) -> None:
    names = [f"{name}/{number}" for number in range(5)]
    for each in names:
        upstream.add_image(each, "v1")
        client.get(f"/{each}/manifests/v1")
    upstream.add_image(f"{name}/not-pulled", "v1")

    pages = _follow(client, f"/_catalog?n=2&last={name}/", "repositories")

    assert [found for page in pages for found in page if found.startswith(name)] == names
    assert all(len(page) <= 2 for page in pages)


def _with_referrers(upstream: FakeUpstream, name: str) -> tuple[Digest, list[Digest]]:
    """An image with a signature and a bill of materials."""
    image = upstream.add_image(name, "v1", [name.encode()])
    subject = descriptor(image.manifest, OCI_MANIFEST)
    referrers = []
    for artifact_type in ("application/x.signature", "application/x.sbom"):
        referring = build_image(
            [artifact_type.encode()], extra={"artifactType": artifact_type, "subject": subject}
        )
        referrers.append(upstream.put_image(name, referring).digest)
    return image.digest, referrers


def _digests(answer: httpx.Response) -> set[str]:
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == OCI_INDEX
    return {each["digest"] for each in answer.json()["manifests"]}


@pytest.mark.parametrize("filtering", [True, False])
def test_referrers_from_upstreams_api(
    client: httpx.Client, upstream: FakeUpstream, name: str, filtering: bool
) -> None:
    upstream.referrers_filtering = filtering
    subject, (signature, sbom) = _with_referrers(upstream, name)
    try:
        everything = client.get(f"/{name}/referrers/{subject}")
        assert _digests(everything) == {str(signature), str(sbom)}
        assert "OCI-Filters-Applied" not in everything.headers
        filtered = client.get(
            f"/{name}/referrers/{subject}", params={"artifactType": "application/x.sbom"}
        )
        assert _digests(filtered) == {str(sbom)}
        assert filtered.headers["OCI-Filters-Applied"] == "artifactType"
    finally:
        upstream.referrers_filtering = True


def test_referrers_from_the_tag_where_there_is_no_api(
    client: httpx.Client, upstream: FakeUpstream, name: str
) -> None:
    upstream.referrers_api = False
    subject, (signature, _) = _with_referrers(upstream, name)
    stored = upstream.repository(name).manifests[str(signature)].body
    entry = {**descriptor(stored, OCI_MANIFEST), "artifactType": "application/x.signature"}
    listed = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]}
    try:
        assert _digests(client.get(f"/{name}/referrers/{subject}")) == set()
        upstream.add_manifest(name, json.dumps(listed).encode(), OCI_INDEX, f"sha256-{subject.hex}")
        assert _digests(client.get(f"/{name}/referrers/{subject}")) == {str(signature)}
    finally:
        upstream.referrers_api = True
