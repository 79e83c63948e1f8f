"""containerd pulls through the mirror with `ns=docker.io`, and what it pulled runs."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from tests.e2e.containerd import Containerd
from tests.e2e.counting import CountingProxy
from tests.e2e.images import busybox_image, push, two_platform_index

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("docker", [True, False], ids=["docker", "oci"])
def test_a_pulled_image_runs(registry: str, containerd: Containerd, docker: bool) -> None:
    name = "ctr-docker" if docker else "ctr-oci"
    greeting = f"containerd ran an image in {name} format"
    push(registry, f"library/{name}", "1", busybox_image(greeting, docker=docker))

    containerd.pull(f"docker.io/library/{name}:1")

    assert containerd.run(f"docker.io/library/{name}:1") == f"{greeting}\n"


def test_it_says_which_registry_it_means(
    registry: str, front: CountingProxy, containerd: Containerd
) -> None:
    push(registry, "library/ctr-ns", "1", busybox_image("containerd sent ns"))

    containerd.pull("docker.io/library/ctr-ns:1")

    asked = front.seen("HEAD", "/ctr-ns/") + front.seen("GET", "/ctr-ns/")
    spaces = [parse_qs(urlsplit(each.target).query).get("ns") for each in asked]
    assert spaces == [["docker.io"]] * len(asked)
    assert len(asked) > 1


def test_an_index_gives_the_image_of_this_platform(
    registry: str, upstream: CountingProxy, containerd: Containerd
) -> None:
    greeting = "containerd chose from an index"
    index = two_platform_index(greeting)
    push(registry, "library/ctr-index", "1", index)

    containerd.pull("docker.io/library/ctr-index:1")

    assert containerd.run("docker.io/library/ctr-index:1") == f"{greeting}\n"
    for_arm64 = index.images[1].layer_digests[0]
    assert f"blobs/{for_arm64}" not in upstream.gets("library/ctr-index")


def test_a_pull_by_digest(registry: str, containerd: Containerd) -> None:
    image = busybox_image("containerd pulled by digest")
    push(registry, "library/ctr-by-digest", "1", image)

    containerd.pull(f"docker.io/library/ctr-by-digest@{image.digest}")

    assert str(image.digest) in containerd.content()


def test_an_emptied_client_costs_upstream_no_get(
    registry: str, upstream: CountingProxy, front: CountingProxy, containerd: Containerd
) -> None:
    index = two_platform_index("containerd pulled this twice", docker=True)
    push(registry, "library/ctr-twice", "1", index)
    containerd.pull("docker.io/library/ctr-twice:1")
    upstream.forget()
    front.forget()
    containerd.forget()

    containerd.pull("docker.io/library/ctr-twice:1")

    assert upstream.gets("library/ctr-twice") == []
    image = index.images[0]
    held = {str(digest) for digest in (image.config_digest, *image.layer_digests)}
    assert held <= set(containerd.content())
    assert len(front.seen("GET", "/ctr-twice/blobs/")) >= len(held), "all came again"
