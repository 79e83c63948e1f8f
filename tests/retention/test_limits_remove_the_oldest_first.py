"""Over its size, or on a disk that is too full, the store loses what was pulled longest ago."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from cache import models, runtime
from cache.config import Reserve
from cache.oci.digest import Digest
from cache.oci.selection import Selection
from cache.retention import Policy, current_policy, measure, pin, unpin
from cache.streaming.room import Space
from cache.streaming.store import FileStore
from tests.fakes.images import Image
from tests.fakes.upstream import FakeUpstream
from tests.retention.house import DAY, House

pytestmark = pytest.mark.slow

LAYER = 100_000
KEPT = Policy(default_ttl=None)
HOUR = timedelta(hours=1)


@pytest.fixture
def images(house: House, upstream: FakeUpstream) -> dict[str, Image]:
    """Four images, `a` to `d`, pulled an hour after one another in that order."""
    found = {}
    for tag in "abcd":
        found[tag] = upstream.add_image("acme/app", tag, [tag.encode() * LAYER])
        house.pull("acme/app", tag, found[tag])
        house.later(2 * HOUR)
    return found


def _tags(house: House, policy: Policy, *, dry_run: bool = False) -> str:
    names = house.names(house.run(policy, dry_run=dry_run))
    return "".join(name.removeprefix("acme/app:") for name in names)


def _at_most(size: int, *keep: str) -> Policy:
    return Policy(max_size=size, keep=tuple(map(Selection.parse, keep)))


def test_the_least_recently_pulled_go_first(house: House, images: dict[str, Image]) -> None:
    house.pull("acme/app", "a", images["a"])

    assert _tags(house, _at_most(2 * LAYER + LAYER // 2)) == "bc"

    assert measure().held <= 2 * LAYER + LAYER // 2
    assert house.files() == house.records()
    assert [row.reason for row in models.Removal.objects.all()] == ["max_size"] * 2


def test_no_more_goes_than_must(house: House, images: dict[str, Image]) -> None:
    assert _tags(house, _at_most(10 * LAYER)) == ""
    assert _tags(house, _at_most(measure().held)) == ""
    assert _tags(house, _at_most(measure().held - 1)) == "a"


def test_all_goes_if_it_must(house: House, images: dict[str, Image]) -> None:
    assert _tags(house, _at_most(1)) == "abcd"
    assert house.files() == house.records() == {}


class _OnASmallDisk(FileStore):
    """A store that has its disk, of ten layers' size, for itself."""

    def space(self) -> Space:
        return Space(10 * LAYER, 10 * LAYER - sum(size for _, size in self.blobs()))


@pytest.mark.parametrize(
    ("reserve", "gone"),
    [
        (Reserve(share=0.5), ""),
        (Reserve(share=0.59), ""),
        (Reserve(share=0.6), "a"),
        (Reserve(share=0.7), "ab"),
        (Reserve(size=8 * LAYER), "abc"),
        (Reserve(size=11 * LAYER), "abcd"),
    ],
)
def test_a_free_share_of_the_disk_counts_too(
    house: House, images: dict[str, Image], reserve: Reserve, gone: str
) -> None:
    mirror = replace(house.mirror, store=_OnASmallDisk(house.mirror.config.storage.root))
    with runtime.using(mirror):
        assert _tags(house, Policy(min_free=reserve), dry_run=True) == gone
        assert _tags(house, Policy(min_free=reserve)) == gone
    assert [row.reason for row in models.Removal.objects.all()] == ["min_free"] * len(gone)
    assert house.files() == house.records()


def test_what_is_kept_stays_and_the_rest_goes_in_its_place(
    house: House, images: dict[str, Image]
) -> None:
    policy = _at_most(2 * LAYER + LAYER // 2, "acme/*:a")
    assert _tags(house, policy) == "bc"
    removed, summary = house.evict(_at_most(1, "acme/**"))
    assert removed == []
    assert summary.over == measure().held - 1


@pytest.mark.parametrize("selected", ["acme/app:a", "acme/app", "acme/**", "digest", "blob"])
def test_pins(house: House, images: dict[str, Image], selected: str) -> None:
    named = {"digest": images["a"].digest, "blob": images["a"].layer_digests[0]}
    selection = Selection.parse(str(named.get(selected, selected)))
    assert pin(selection, "an operator", house.now)
    assert not pin(selection, "another", house.now)

    house.run(replace(current_policy(), max_size=1))

    assert house.holds(images["a"].layers[0])
    assert house.holds(images["d"].layers[0]) is (selected in {"acme/app", "acme/**"})
    assert unpin(selection)
    assert not unpin(selection)
    house.run(replace(current_policy(), max_size=1))
    assert house.files() == house.records() == {}


def test_a_pinned_tag_keeps_where_it_points_now(
    house: House, images: dict[str, Image], upstream: FakeUpstream
) -> None:
    pin(Selection.parse("acme/app:a"), "an operator", house.now)
    moved = upstream.add_image("acme/app", "a", [b"moved" * LAYER])
    house.pull("acme/app", "a", moved)

    house.run(replace(current_policy(), max_size=1))

    assert house.holds(moved.layers[0])
    assert not house.holds(images["a"].layers[0])


def test_a_blob_of_a_kept_repository_stays_without_its_image(
    house: House, images: dict[str, Image], upstream: FakeUpstream
) -> None:
    layer = images["a"].layers[0]
    upstream.add_blob("vital/data", layer)
    assert house.get(f"vital/data/blobs/{Digest.of(layer)}")[0] == 200

    house.run(_at_most(1, "vital/**"))

    assert set(house.files()) == {str(Digest.of(layer))}


def test_the_policy_is_that_of_now_for_what_is_there_already(
    house: House, images: dict[str, Image]
) -> None:
    house.later(2 * DAY)
    name = house.default
    assert _tags(house, Policy(ttls={name: 3 * DAY})) == ""
    assert _tags(house, Policy(ttls={"ghcr.io": DAY}, default_ttl=None)) == ""
    assert _tags(house, Policy(ttls={name: 2 * DAY + 3 * HOUR})) == "abc"
    assert _tags(house, Policy(ttls={"ghcr.io": None}, default_ttl=DAY)) == "d"


def test_a_dry_run_says_what_would_go_and_touches_nothing(
    house: House, images: dict[str, Image]
) -> None:
    house.later(6 * DAY + 18 * HOUR)
    policy = replace(current_policy(), max_size=LAYER * 3 // 2)
    before = house.files()

    would, expected = house.evict(policy, dry_run=True)
    assert house.files() == house.records() == before
    assert not models.Removal.objects.exists()
    did, found = house.evict(policy)

    assert [each.unit for each in would] == [each.unit for each in did]
    assert replace(expected, dry_run=False) == found
    assert {each.unit.reason for each in did} == {"expired", "max_size"}


def test_a_layer_of_many_images_goes_with_the_last_of_them(
    house: House, upstream: FakeUpstream
) -> None:
    base = b"base" * LAYER
    for tag in "abc":
        image = upstream.add_image("acme/app", tag, [base, tag.encode() * 1000])
        house.pull("acme/app", tag, image)
        house.later(2 * HOUR)

    removed = house.run(_at_most(len(base) + 1), dry_run=True)
    assert [each.size > len(base) for each in removed] == [False, False, True]
    removed = house.run(_at_most(len(base) + 2000))
    assert len(removed) == 2
    assert house.holds(base)


def test_every_removal_is_recorded(house: House, images: dict[str, Image]) -> None:
    house.run(_at_most(3 * LAYER + LAYER // 2))

    (row,) = models.Removal.objects.all()
    assert (row.at, row.by, row.reason) == (house.now, "a test", "max_size")
    assert row.detail.startswith("last pulled 8 hours ago, the store was ")
    assert (row.upstream, row.repository, row.tags) == (house.default, "acme/app", "a")
    assert row.digest == str(images["a"].digest)
    assert (row.blobs, row.size) == (2, LAYER + len(images["a"].config))
    assert row.pulled_at == house.now - 8 * HOUR
