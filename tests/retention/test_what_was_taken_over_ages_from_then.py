"""What an import took over from another registry counts as pulled at that moment."""

from __future__ import annotations

from datetime import timedelta

import pytest

from cache import catalog, models
from cache.catalog import AdoptedBlob
from cache.oci.digest import Digest
from cache.oci.manifest import read_manifest
from cache.oci.reference import RepositoryName
from cache.oci.repository import Repository
from cache.retention.reconcile import reconcile
from tests.fakes.images import Image
from tests.fakes.upstream import FakeUpstream
from tests.retention.house import DAY, House

YEAR = timedelta(days=365)
NAME = "acme/app"


@pytest.fixture
def taken_over(house: House, upstream: FakeUpstream) -> Image:
    """An image of a year ago that is here, and of which no repository is known yet."""
    image = upstream.add_image(NAME, "1", [b"a layer"])
    house.pull(NAME, "1", image)
    (stored,) = models.Manifest.objects.all()
    models.Repository.objects.all().delete()
    models.Manifest.objects.all().delete()
    models.Blob.objects.all().delete()
    models.BlobLink.objects.all().delete()
    written = house.now - YEAR
    catalog.adopt_blobs(
        [
            AdoptedBlob(Digest.of(data), len(data), written, is_new=True)
            for data in (image.config, *image.layers)
        ],
        house.now,
    )
    manifest = read_manifest(bytes(stored.body), stored.media_type)
    catalog.adopt_manifests(None, [(manifest, written)], house.now)
    return image


def test_it_does_not_go_at_once(house: House, taken_over: Image) -> None:
    house.later(6 * DAY)

    assert house.run() == []

    reconcile()
    assert house.holds(taken_over.layers[0])
    assert models.Manifest.objects.count() == 1


def test_nobody_who_pulls_it_within_its_ttl_fetches_it(
    house: House, upstream: FakeUpstream, taken_over: Image
) -> None:
    house.later(6 * DAY)
    upstream.reset()
    house.pull(NAME, "1", taken_over)
    house.later(6 * DAY)

    assert house.run() == []

    assert upstream.count("GET", "/blobs/") == 0
    assert house.holds(taken_over.layers[0])


def test_what_nobody_asks_for_goes_with_its_time(house: House, taken_over: Image) -> None:
    house.later(7 * DAY)

    removed = house.run()

    assert len(removed) == 2
    assert house.files() == house.records() == {}
    house.later(30 * DAY)
    reconcile()
    assert not models.Manifest.objects.exists()


def test_links_of_a_pull_through_cache_are_as_young(house: House, taken_over: Image) -> None:
    repository = Repository(house.default, RepositoryName.parse(NAME))
    (stored,) = models.Manifest.objects.all()
    manifest = read_manifest(bytes(stored.body), stored.media_type)
    catalog.adopt_manifests(repository, [(manifest, house.now - YEAR)], house.now)
    house.later(6 * DAY)

    assert house.run() == []

    house.later(DAY)
    assert house.names(house.run()) == [f"{NAME}@{taken_over.digest}"]
    assert house.files() == {}
