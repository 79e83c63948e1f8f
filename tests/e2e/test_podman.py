"""podman pulls through the mirror that its registries.conf names, and unpacks what it pulled."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.counting import CountingProxy
from tests.e2e.images import BIG_LAYER, busybox_image, noise, push, two_platform_index
from tests.e2e.mirror import Mirror
from tests.e2e.parts import require, require_root
from tests.e2e.podman import Podman
from tests.e2e.processes import scratch

pytestmark = pytest.mark.e2e


@pytest.fixture
def podman(mirror: Mirror) -> Iterator[Podman]:
    require("podman")
    require_root()
    with scratch("podman") as home:
        yield Podman(home, mirror.address)


def test_a_pulled_image_is_whole(registry: str, podman: Podman) -> None:
    greeting = "podman pulled an image"
    push(registry, "library/podman", "1", busybox_image(greeting))

    podman.pull("docker.io/library/podman:1")

    files = podman.unpacked("docker.io/library/podman:1")
    assert (files / "etc/greeting").read_text() == f"{greeting}\n"
    assert (files / "data/random").read_bytes() == noise(BIG_LAYER, greeting)


def test_an_emptied_client_costs_upstream_no_get(
    registry: str, upstream: CountingProxy, podman: Podman
) -> None:
    greeting = "podman pulled this twice"
    push(registry, "library/podman-twice", "1", two_platform_index(greeting, docker=True))
    podman.pull("docker.io/library/podman-twice:1")
    upstream.forget()
    podman.forget()

    podman.pull("docker.io/library/podman-twice:1")

    assert upstream.gets("library/podman-twice") == []
    files = podman.unpacked("docker.io/library/podman-twice:1")
    assert (files / "etc/greeting").read_text() == f"{greeting}\n"
