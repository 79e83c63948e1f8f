"""What one step of a plan lets loose, a later step still finds, in a dry run as in a real one."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from cache.oci.digest import Digest
from cache.retention import current_policy
from tests.fakes.images import build_image, build_index
from tests.fakes.upstream import FakeUpstream
from tests.retention.house import DAY, House


@pytest.mark.parametrize("dry_run", [False, True])
def test_what_was_pulled_since_its_image_goes_when_the_limit_asks_for_it(
    house: House, upstream: FakeUpstream, dry_run: bool
) -> None:
    """The index and its image have expired; what a client still pulls of them has not."""
    lazy, other = b"lazily pulled" * 1000, b"another one's" * 1000
    image, second = build_image([lazy]), build_image([other])
    upstream.put_index("acme/app", build_index([image, second]), "1")
    assert house.get("acme/app/manifests/1")[0] == 200
    house.pull("acme/app", str(image.digest), image)
    house.pull("acme/app", str(second.digest), second)
    house.later(6 * DAY)
    assert house.get(f"acme/app/blobs/{Digest.of(lazy)}")[0] == 200
    house.later(timedelta(minutes=5))
    house.pull("acme/app", str(second.digest), second)
    house.later(DAY)

    gone = house.run(dry_run=dry_run)
    assert [len(each.unit.links) for each in gone] == [2]
    assert house.holds(lazy)
    assert house.holds(other)

    limit = len(other) + len(second.config) + 1
    gone = house.run(replace(current_policy(), max_size=limit), dry_run=dry_run)
    if dry_run:
        assert [len(each.unit.links) for each in gone] == [2, 0]
    else:
        assert [each.unit.subject.digest for each in gone] == [str(Digest.of(lazy))]
        assert not house.holds(lazy)
        assert house.holds(other)
    gone = house.run(replace(current_policy(), max_size=1), dry_run=dry_run)
    expected = [str(second.digest)]
    assert [each.unit.subject.digest for each in gone][-1:] == expected


@pytest.mark.parametrize("dry_run", [False, True])
def test_an_image_of_two_indexes_goes_with_the_second(
    house: House, upstream: FakeUpstream, dry_run: bool
) -> None:
    shared, own = build_image([b"shared" * 100]), build_image([b"own" * 100])
    for tag, images in (("1", [shared]), ("2", [shared, own])):
        upstream.put_index("acme/app", build_index(images), tag)
        assert house.get(f"acme/app/manifests/{tag}")[0] == 200
        for image in images:
            house.pull("acme/app", str(image.digest), image)
    house.later(8 * DAY)

    gone = house.run(dry_run=dry_run)

    assert [len(each.unit.links) for each in gone] == [1, 3]
    assert [len(each.unit.blobs) for each in gone] == [0, 4]
    if not dry_run:
        assert house.files() == house.records() == {}
