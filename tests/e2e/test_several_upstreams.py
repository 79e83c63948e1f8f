"""Two registries behind one mirror: clients name the second one by `ns` or in the path."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.e2e import skopeo
from tests.e2e.containerd import Containerd
from tests.e2e.counting import CountingProxy
from tests.e2e.images import busybox_image, push
from tests.e2e.mirror import Mirror
from tests.e2e.parts import require, require_root
from tests.e2e.processes import scratch
from tests.e2e.registry import Registry
from tests.fakes.plain import NO_AUTHORITY

pytestmark = pytest.mark.e2e

OTHER = "registry.other.example"


@pytest.fixture(scope="module")
def other_registry(registry: str) -> Iterator[str]:
    """A second real registry, which has nothing of the first."""
    with scratch("other-registry") as home, Registry(home) as other:
        yield other.url


@pytest.fixture(scope="module")
def other_upstream(other_registry: str) -> Iterator[CountingProxy]:
    with CountingProxy(other_registry) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def mirror(upstream: CountingProxy, other_upstream: CountingProxy) -> Iterator[Mirror]:
    """A mirror of both."""
    upstreams = f"{{{OTHER}: {{remoteurl: '{other_upstream.url}'}}}}"
    with (
        scratch("mirror-of-two") as home,
        Mirror(home / "data", upstream.url, REGISTRY_UPSTREAMS=upstreams) as mirror,
    ):
        yield mirror


@pytest.fixture(scope="module")
def containerd(mirror: Mirror) -> Iterator[Containerd]:
    require("containerd", "ctr", "runc")
    require_root()
    with (
        scratch("containerd-of-two") as home,
        Containerd(home, mirror.url, ("docker.io", OTHER)) as daemon,
    ):
        yield daemon


def test_containerd_gets_each_image_from_its_own_registry(
    registry: str, other_registry: str, containerd: Containerd
) -> None:
    push(registry, "library/same-name", "1", busybox_image("from the first"))
    push(other_registry, "library/same-name", "1", busybox_image("from the other"))

    for reference, greeting in (
        ("docker.io/library/same-name:1", "from the first"),
        (f"{OTHER}/library/same-name:1", "from the other"),
    ):
        containerd.pull(reference)
        assert containerd.run(reference) == f"{greeting}\n"


def test_the_ways_to_a_repository_lead_to_one(
    other_registry: str,
    other_upstream: CountingProxy,
    mirror: Mirror,
    containerd: Containerd,
    folder: Path,
) -> None:
    require("skopeo")
    image = busybox_image("pulled by path, then by ns")
    push(other_registry, "owner/both-ways", "1", image)

    skopeo.copy(mirror.address, f"{OTHER}/owner/both-ways:1", folder)
    fetched = other_upstream.gets("owner/both-ways")
    containerd.pull(f"{OTHER}/owner/both-ways:1")

    assert skopeo.copied(folder) == {"manifest.json": image.manifest, **skopeo.blobs(image)}
    assert len(fetched) == 2 + len(image.layers)
    assert other_upstream.gets("owner/both-ways") == fetched


def test_an_unknown_registry_is_named(mirror: Mirror) -> None:
    answer = httpx.get(
        f"{mirror.url}/v2/owner/image/manifests/1",
        params={"ns": "nowhere.example"},
        trust_env=False,
        verify=NO_AUTHORITY,
    )

    assert answer.status_code == 404
    (error,) = answer.json()["errors"]
    assert error["code"] == "NAME_UNKNOWN"
    assert "nowhere.example" in error["message"]
