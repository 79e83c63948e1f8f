"""Answers that no registry should give, and that are not the client's fault."""

from __future__ import annotations

import httpx
import pytest

from tests.fakes.faults import Fault
from tests.fakes.upstream import FakeUpstream


@pytest.mark.parametrize("status", [405, 501])
def test_an_upstream_without_head_vouches_for_nothing(
    client: httpx.Client, upstream: FakeUpstream, name: str, status: int
) -> None:
    image = upstream.add_image(f"{name}/private", None, [name.encode()])
    client.get(f"/{name}/private/manifests/{image.digest}")
    upstream.misbehave(Fault(status=status), method="HEAD", path=f"{name}/other")

    refused = client.get(f"/{name}/other/manifests/{image.digest}")

    assert refused.status_code == 404


def test_a_tag_that_points_to_nothing_is_kept(
    client: httpx.Client, upstream: FakeUpstream, name: str
) -> None:
    old = upstream.add_image(name, "v1", [b"old", name.encode()])
    client.get(f"/{name}/manifests/v1")
    new = upstream.add_image(name, "v1", [b"new", name.encode()])
    upstream.misbehave(Fault(status=404), method="GET", path=str(new.digest))

    for _ in range(2):
        answer = client.get(f"/{name}/manifests/v1")
        assert (answer.content, answer.headers["X-Cache"]) == (old.manifest, "STALE")
        assert answer.headers["Warning"].startswith("110 ")


def test_compressed_against_our_wish(
    client: httpx.Client, upstream: FakeUpstream, name: str
) -> None:
    digest = upstream.add_blob(name, name.encode() * 1000)
    upstream.misbehave(Fault(headers={"Content-Encoding": "gzip"}), method="GET", path=str(digest))
    assert client.get(f"/{name}/blobs/{digest}").status_code == 502


def test_redirects_in_a_circle(client: httpx.Client, upstream: FakeUpstream, name: str) -> None:
    digest = upstream.add_blob(name, name.encode())
    location = f"/v2/{name}/blobs/{digest}"
    upstream.misbehave(Fault(status=307, headers={"Location": location}), path=str(digest))
    assert client.get(f"/{name}/blobs/{digest}").status_code == 502
    assert len(upstream.seen(path=str(digest))) < 10


def test_a_redirect_to_an_address_that_has_expired(
    client: httpx.Client, upstream: FakeUpstream, name: str
) -> None:
    data = name.encode() * 10_000
    digest = upstream.add_blob(name, data)
    with FakeUpstream() as cdn:
        upstream.redirect_blobs_to(cdn)
        try:
            cdn.misbehave(Fault(cut_after=100_000), method="GET", times=1)
            cdn.misbehave(Fault(status=403), method="GET", times=1)
            assert client.get(f"/{name}/blobs/{digest}").content == data
        finally:
            upstream.cdn = None
    assert len(upstream.seen("GET", str(digest))) == 3, "each try asks for an address of its own"


def test_no_manifest_but_a_web_page(
    client: httpx.Client, upstream: FakeUpstream, name: str
) -> None:
    page = Fault(status=200, body=b"<html>Sign in", headers={"Content-Type": "text/html"})
    upstream.misbehave(page, path=name)
    answer = client.get(f"/{name}/manifests/v1")
    assert answer.status_code == 502
    assert "web page" in answer.json()["errors"][0]["message"]
