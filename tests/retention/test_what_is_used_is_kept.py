"""Content goes by its last pull, not by its first; and nothing goes that something kept needs.

Docker's own mirror forgets a blob seven days after its first fetch, however often it is pulled
since; and when a blob that two images share expires with one of them, the other one's pull is
answered with 200 and no bytes.
"""

from __future__ import annotations

from datetime import timedelta

import pytest

from cache import models
from cache.oci.digest import Digest
from tests.fakes.images import LINUX_ARM64, build_image, build_index
from tests.fakes.upstream import FakeUpstream
from tests.retention.house import DAY, House

SHARED = b"a layer of two images" * 1000


def test_the_ttl_counts_from_the_last_pull(house: House, upstream: FakeUpstream) -> None:
    image = upstream.add_image("library/node", "20")
    house.pull("library/node", "20", image)
    for _ in range(4):
        house.later(6 * DAY)
        house.pull("library/node", "20", image)
        assert house.run() == []
    upstream.reset()
    house.pull("library/node", "20", image)
    assert upstream.count("GET") == 0

    house.later(7 * DAY - timedelta(seconds=1))
    assert house.run() == []
    house.later(timedelta(seconds=1))
    (removed,) = house.run()

    assert house.names([removed]) == ["library/node:20"]
    assert removed.unit.detail == "last pulled 7 days ago, ttl 7 d"
    assert removed.size == len(image.config) + len(image.layers[0])
    assert house.files() == house.records() == {}
    assert not models.Manifest.objects.exists()
    house.pull("library/node", "20", image)


def test_a_check_of_the_tag_alone_is_a_pull(house: House, upstream: FakeUpstream) -> None:
    """A client that has everything asks for the tag and nothing else."""
    image = upstream.add_image("library/node", "20")
    house.pull("library/node", "20", image)
    house.later(6 * DAY)
    assert house.client.head("/v2/library/node/manifests/20").status_code == 200
    house.later(6 * DAY)

    assert house.run() == []
    assert house.holds(image.layers[0])


def test_a_blob_of_two_images_stays_with_the_one_that_is_kept(
    house: House, upstream: FakeUpstream
) -> None:
    old = upstream.add_image("library/old", "1", [SHARED, b"only old"])
    young = upstream.add_image("library/young", "1", [SHARED, b"only young"])
    house.pull("library/old", "1", old)
    house.later(3 * DAY)
    house.pull("library/young", "1", young)
    house.later(5 * DAY)

    (removed,) = house.run()

    assert removed.size == len(b"only old") + len(old.config)
    assert house.holds(SHARED)
    assert not house.holds(b"only old")
    upstream.reset()
    house.pull("library/young", "1", young)
    assert upstream.count("GET") == 0
    house.pull("library/old", "1", old)
    assert upstream.count("GET", "/blobs/") == 2
    house.later(8 * DAY)
    assert len(house.run()) == 2
    assert house.files() == house.records() == {}


def test_a_blob_that_both_repositories_contain_is_served_whole_in_both(
    house: House, upstream: FakeUpstream
) -> None:
    for name in ("one/a", "two/a"):
        upstream.add_image(name, "1", [SHARED])
    image = upstream.add_image("one/a", "1", [SHARED])
    house.pull("one/a", "1", image)
    house.later(3 * DAY)
    house.pull("two/a", "1", image)
    house.later(5 * DAY)

    (removed,) = house.run()

    assert (removed.size, len(removed.unit.blobs)) == (0, 0)
    assert house.get(f"two/a/blobs/{Digest.of(SHARED)}") == (200, SHARED)
    assert house.get(f"one/a/blobs/{Digest.of(SHARED)}") == (200, SHARED)


def test_an_old_target_of_a_moved_tag_goes_by_itself(house: House, upstream: FakeUpstream) -> None:
    old = upstream.add_image("library/node", "20", [b"old"])
    house.pull("library/node", "20", old)
    house.later(3 * DAY)
    new = upstream.add_image("library/node", "20", [b"new"])
    house.pull("library/node", "20", new)
    house.later(5 * DAY)

    (removed,) = house.run()

    assert house.names([removed]) == [f"library/node@{old.digest}"]
    assert house.holds(b"new")
    assert not house.holds(b"old")


@pytest.mark.parametrize("pulled_by_itself", [False, True])
def test_an_index_keeps_the_images_that_were_pulled_of_it(
    house: House, upstream: FakeUpstream, pulled_by_itself: bool
) -> None:
    amd, arm = build_image([b"amd"]), build_image([b"arm"], platform=LINUX_ARM64)
    index = upstream.put_index("library/multi", build_index([amd, arm]), "1")
    assert house.get("library/multi/manifests/1")[0] == 200
    house.pull("library/multi", str(amd.digest), amd)
    house.later(6 * DAY)
    # The client has the image: it asks what the tag is, and no more.
    assert house.client.head("/v2/library/multi/manifests/1").status_code == 200
    if pulled_by_itself:
        house.pull("library/multi", str(amd.digest), amd)
    house.later(timedelta(hours=2))
    house.later(6 * DAY)
    assert house.run() == []
    if pulled_by_itself:
        house.pull("library/multi", str(amd.digest), amd)
    house.later(DAY)

    (removed,) = house.run()

    assert removed.unit.subject.digest == str(index.digest)
    assert len(removed.unit.links) == 2 - pulled_by_itself
    assert house.holds(b"amd") is pulled_by_itself
    house.later(7 * DAY)
    house.run()
    assert house.files() == house.records() == {}


def test_a_blob_without_a_manifest_goes_by_its_own_last_pull(
    house: House, upstream: FakeUpstream
) -> None:
    digest = upstream.add_blob("acme/data", b"lone")
    assert house.get(f"acme/data/blobs/{digest}") == (200, b"lone")
    house.later(6 * DAY)
    assert house.get(f"acme/data/blobs/{digest}") == (200, b"lone")
    house.later(6 * DAY)
    assert house.run() == []
    house.later(DAY)

    (removed,) = house.run()

    assert (removed.unit.subject.digest, removed.size) == (str(digest), 4)
    assert house.files() == house.records() == {}
    assert not models.BlobLink.objects.exists()


def test_a_blob_that_is_pulled_without_its_manifest_outlives_the_image(
    house: House, upstream: FakeUpstream
) -> None:
    """A lazy client fetches ranges of a layer for as long as the container runs."""
    image = upstream.add_image("library/lazy", "1", [SHARED])
    house.pull("library/lazy", "1", image)
    house.later(6 * DAY)
    assert house.get(f"library/lazy/blobs/{Digest.of(SHARED)}") == (200, SHARED)
    house.later(2 * DAY)

    (removed,) = house.run()

    assert removed.size == len(image.config)
    assert house.holds(SHARED)
    house.later(5 * DAY)
    house.run()
    assert not house.holds(SHARED)
