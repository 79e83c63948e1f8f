"""A purge says of everything that it would take whether it is pinned: also of what goes along."""

from __future__ import annotations

import pytest

from cache import models
from cache.oci.selection import Selection
from cache.retention import current_policy, find, pin, purge
from tests.fakes.images import Image, Index, build_image, build_index
from tests.fakes.upstream import FakeUpstream
from tests.retention.house import House

pytestmark = pytest.mark.slow

NAME = "acme/app"
LAYER = b"a layer of the image"


@pytest.fixture
def image(house: House, upstream: FakeUpstream) -> Image:
    """An image with a tag of its own, which an index lists, that has one too."""
    image = build_image([LAYER])
    upstream.put_image(NAME, image, "1-amd64")
    upstream.put_index(NAME, build_index([image]), "1")
    assert house.get(f"{NAME}/manifests/1")[0] == 200
    house.pull(NAME, "1-amd64", image)
    return image


@pytest.fixture
def index(image: Image) -> Index:
    return build_index([image])


@pytest.mark.parametrize("pinned", ["acme/app:1", "acme/app:1-amd64", "image", "index", "layer"])
@pytest.mark.parametrize("purged", ["acme/app:1", "acme/app:1-amd64", "image", "index", "layer"])
def test_whatever_is_pinned_of_it(
    house: House, image: Image, index: Index, pinned: str, purged: str
) -> None:
    named = {"image": image.digest, "index": index.digest, "layer": image.layer_digests[0]}
    pin(Selection.parse(str(named.get(pinned, pinned))), "an operator", house.now)

    found = find(Selection.parse(str(named.get(purged, purged))), current_policy())

    assert any(found.is_pinned(digest) for digest in found.digests)


def test_what_is_not_pinned_is_not_asked_for(
    house: House, upstream: FakeUpstream, image: Image
) -> None:
    house.pull("acme/other", "1", upstream.add_image("acme/other", "1", [LAYER, b"more"]))
    pin(Selection.parse("acme/other"), "an operator", house.now)

    for text in ("acme/app:1", "acme/app:1-amd64", str(image.digest)):
        assert find(Selection.parse(text), current_policy()).pinned == frozenset()

    assert find(Selection.parse(str(image.layer_digests[0])), current_policy()).pinned


def test_what_came_anew_while_the_operator_was_asked_goes_too(
    house: House, upstream: FakeUpstream, image: Image
) -> None:
    found = find(Selection.parse(NAME), current_policy())
    purge(found, "another")
    house.pull(NAME, "1-amd64", image)

    purge(found, "an operator")

    assert house.files() == house.records() == {}
    assert not models.Tag.objects.exists()
    last = models.Removal.objects.filter(by="an operator")
    assert [row.digest for row in last] == [str(image.digest)]
    purge(found, "a third")
    assert not models.Removal.objects.filter(by="a third").exists()
