"""What is here is served when upstream is not, and says how old it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.e2e.mirror import Mirror
from tests.e2e.processes import eventually
from tests.fakes.faults import Fault
from tests.fakes.images import Image
from tests.fakes.plain import NO_AUTHORITY
from tests.fakes.upstream import FakeUpstream

NAME = "library/thing"


@pytest.fixture(scope="module")
def pulled(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Mirror, FakeUpstream, Image]]:
    """A mirror that has all of an image, and its upstream."""
    root = tmp_path_factory.mktemp("off") / "root"
    with FakeUpstream() as upstream, Mirror(root, upstream.url) as mirror:
        image = upstream.add_image(NAME, "v1", [b"one" * 100_000, b"two"])
        _pull(mirror, image)
        eventually(lambda: not any(Path(root, "parts").iterdir()), "all fills have ended")
        yield mirror, upstream, image


def _pull(mirror: Mirror, image: Image) -> httpx.Response:
    with httpx.Client(
        base_url=f"{mirror.url}/v2/{NAME}", timeout=60, trust_env=False, verify=NO_AUTHORITY
    ) as client:
        tag = client.get("/manifests/v1")
        assert tag.content == image.manifest
        assert client.get(f"/manifests/{image.digest}").content == image.manifest
        for data, digest in zip(
            (image.config, *image.layers), (image.config_digest, *image.layer_digests), strict=True
        ):
            assert client.get(f"/blobs/{digest}").content == data
        return tag


@pytest.mark.parametrize("fault", [Fault(status=500), Fault(cut_after=-1)])
def test_a_failing_upstream(pulled: tuple[Mirror, FakeUpstream, Image], fault: Fault) -> None:
    mirror, upstream, image = pulled
    upstream.misbehave(fault)
    tag = _pull(mirror, image)
    upstream.behave()
    assert tag.headers["X-Cache"] == "STALE"
    assert tag.headers["Warning"].startswith("110 ")
    assert int(tag.headers["Age"]) >= 0


@pytest.mark.parametrize("status", [401, 403])
def test_an_upstream_that_says_no_is_obeyed(
    pulled: tuple[Mirror, FakeUpstream, Image], status: int
) -> None:
    mirror, upstream, _ = pulled
    upstream.misbehave(Fault(status=status))
    answer = httpx.get(f"{mirror.url}/v2/{NAME}/manifests/v1", trust_env=False, verify=NO_AUTHORITY)
    upstream.behave()
    assert answer.status_code == 403


def test_off_and_started_anew(pulled: tuple[Mirror, FakeUpstream, Image]) -> None:
    mirror, upstream, image = pulled
    upstream.stop()
    assert _pull(mirror, image).headers["X-Cache"] == "STALE"

    mirror.stop()
    mirror.start()

    assert _pull(mirror, image).headers["X-Cache"] == "STALE"
    with httpx.Client(
        base_url=f"{mirror.url}/v2", trust_env=False, verify=NO_AUTHORITY, timeout=30
    ) as client:
        listed = client.get(f"/{NAME}/tags/list")
        assert (listed.json()["tags"], listed.headers["X-Cache"]) == (["v1"], "STALE")
        assert client.get("/_catalog").json() == {"repositories": [NAME]}
        assert client.get(f"/{NAME}/referrers/{image.digest}").json()["manifests"] == []
        assert client.get(f"/{NAME}/manifests/other").status_code == 502
        assert client.get("/other/tags/list").status_code == 502
    upstream.start()
    eventually(
        lambda: _pull(mirror, image).headers["X-Cache"] == "REVALIDATED",
        "the mirror has noticed that upstream is back",
    )


def test_taken_offline_by_the_operator(tmp_path: Path) -> None:
    # given a mirror that has an image, and is started anew with its upstream offline
    root = tmp_path / "root"
    with FakeUpstream() as upstream:
        image = upstream.add_image(NAME, "v1", [b"one" * 1000])
        with Mirror(root, upstream.url) as mirror:
            _pull(mirror, image)
            eventually(lambda: not any(Path(root, "parts").iterdir()), "all fills have ended")
        upstream.reset()

        # then what it has is served, marked stale, and the rest is refused in the protocol's form
        with Mirror(root, upstream.url, REGISTRY_PROXY_OFFLINE="true") as mirror:
            tag = _pull(mirror, image)
            other = httpx.get(
                f"{mirror.url}/v2/{NAME}/manifests/v2", trust_env=False, verify=NO_AUTHORITY
            )
            mirror.stop()

    assert tag.headers["X-Cache"] == "STALE"
    assert tag.headers["Warning"].startswith("110 ")
    assert int(tag.headers["Age"]) >= 0
    assert other.status_code == 504
    (error,) = other.json()["errors"]
    assert error["code"] == "UNAVAILABLE"
    assert "offline" in error["message"]
    assert upstream.requests == []
