"""A Docker daemon pulls through the mirror, and what it pulled runs."""

from __future__ import annotations

import pytest

from tests.e2e.counting import CountingProxy
from tests.e2e.dockerd import Dockerd
from tests.e2e.images import busybox_image, push, two_platform_index

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("docker", [True, False], ids=["docker", "oci"])
def test_a_pulled_image_runs(registry: str, dockerd: Dockerd, docker: bool) -> None:
    name = "docker" if docker else "oci"
    greeting = f"dockerd ran an image in {name} format"
    push(registry, f"library/{name}", "1", busybox_image(greeting, docker=docker))

    dockerd.pull(f"{name}:1")

    assert dockerd.run(f"{name}:1") == f"{greeting}\n"


def test_each_blob_is_fetched_once(
    registry: str, upstream: CountingProxy, dockerd: Dockerd
) -> None:
    image = busybox_image("dockerd pulled this once")
    push(registry, "library/once", "1", image)

    dockerd.pull("once:1")

    blobs = {f"blobs/{digest}" for digest in (image.config_digest, *image.layer_digests)}
    fetched = upstream.gets("library/once")
    assert sorted(each for each in fetched if each.startswith("blobs/")) == sorted(blobs)
    assert len(fetched) == len(blobs) + 1, "one manifest"


def test_an_index_gives_the_image_of_this_platform(registry: str, dockerd: Dockerd) -> None:
    greeting = "dockerd chose from an index"
    push(registry, "library/index", "1", two_platform_index(greeting, docker=True))

    dockerd.pull("index:1")

    assert dockerd.run("index:1") == f"{greeting}\n"


def test_a_pull_by_digest(registry: str, dockerd: Dockerd) -> None:
    greeting = "dockerd pulled by digest"
    index = two_platform_index(greeting)
    push(registry, "library/by-digest", "1", index)

    dockerd.pull(f"by-digest@{index.digest}")

    assert dockerd.run(f"by-digest@{index.digest}") == f"{greeting}\n"


def test_an_emptied_daemon_costs_upstream_no_get(
    registry: str, upstream: CountingProxy, front: CountingProxy, dockerd: Dockerd
) -> None:
    greeting = "dockerd pulled this twice"
    index = two_platform_index(greeting)
    push(registry, "library/twice", "1", index)
    dockerd.pull("twice:1")
    upstream.forget()
    front.forget()
    dockerd.forget()

    dockerd.pull("twice:1")

    assert upstream.gets("library/twice") == []
    image = index.images[0]
    blobs = {f"blobs/{digest}" for digest in (image.config_digest, *image.layer_digests)}
    assert blobs <= set(front.gets("library/twice")), "all came from the mirror again"
    assert dockerd.run("twice:1") == f"{greeting}\n"
