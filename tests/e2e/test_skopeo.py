"""skopeo gets from the mirror, byte for byte, what the upstream has."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e import skopeo
from tests.e2e.counting import CountingProxy
from tests.e2e.images import busybox_image, push, two_platform_index
from tests.e2e.mirror import Mirror
from tests.e2e.parts import require

pytestmark = pytest.mark.e2e


@pytest.fixture(autouse=True)
def _parts() -> None:
    require("skopeo")


@pytest.mark.parametrize("docker", [True, False], ids=["docker", "oci"])
def test_an_image_comes_as_it_is(registry: str, mirror: Mirror, folder: Path, docker: bool) -> None:
    name = "skopeo-docker" if docker else "skopeo-oci"
    image = busybox_image(f"copied in {name} format", docker=docker)
    push(registry, name, "1", image)

    skopeo.copy(mirror.address, f"{name}:1", folder)

    assert skopeo.copied(folder) == {"manifest.json": image.manifest, **skopeo.blobs(image)}


def test_an_index_comes_with_all_its_images(registry: str, mirror: Mirror, folder: Path) -> None:
    index = two_platform_index("copied with all platforms")
    push(registry, "skopeo-index", "1", index)

    skopeo.copy(mirror.address, "skopeo-index:1", folder, "--all")

    expected = {"manifest.json": index.manifest}
    for image in index.images:
        expected[f"{str(image.digest).partition(':')[2]}.manifest.json"] = image.manifest
        expected |= skopeo.blobs(image)
    assert skopeo.copied(folder) == expected


def test_an_index_is_shown_as_it_is(registry: str, mirror: Mirror) -> None:
    index = two_platform_index("inspected", docker=True)
    push(registry, "skopeo-raw", "1", index)

    assert skopeo.inspect_raw(mirror.address, "skopeo-raw:1") == index.manifest.decode()


def test_a_second_copy_costs_upstream_no_get(
    registry: str, upstream: CountingProxy, mirror: Mirror, folder: Path
) -> None:
    index = two_platform_index("copied twice")
    push(registry, "skopeo-twice", "1", index)
    skopeo.copy(mirror.address, "skopeo-twice:1", folder / "first", "--all")
    upstream.forget()

    skopeo.copy(mirror.address, "skopeo-twice:1", folder / "second", "--all")

    assert upstream.gets("skopeo-twice") == []
    assert skopeo.copied(folder / "second") == skopeo.copied(folder / "first")
