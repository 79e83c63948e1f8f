"""Pins and pulls keep each kind of content, by whichever way it would have gone."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import timedelta

import pytest

from cache import models
from cache.oci.digest import Digest
from cache.oci.selection import Selection
from cache.retention import Policy, Reason, Run, Usage, current_policy, pin, usage
from cache.retention.policy import LoneBlob
from tests.fakes.images import build_image, build_index
from tests.fakes.upstream import FakeUpstream
from tests.retention.house import DAY, START, House

NAME = "acme/app"
HOUR = timedelta(hours=1)


def _run_by(house: House, way: str, pause: Callable[[], None] = lambda: None) -> None:
    house.later(8 * DAY)
    policy = current_policy()
    if way == "size":
        policy = replace(policy, ttls={}, default_ttl=None, max_size=1)
    Run(policy, "a test", pause=pause).now()


@pytest.mark.parametrize("way", ["ttl", "size"])
@pytest.mark.parametrize("how", ["digest", "acme/**"])
def test_a_pinned_blob_of_its_own(house: House, upstream: FakeUpstream, way: str, how: str) -> None:
    digest = upstream.add_blob(NAME, b"lone")
    assert house.get(f"{NAME}/blobs/{digest}")[0] == 200
    pin(Selection.parse(str(digest) if how == "digest" else how), "me", house.now)

    _run_by(house, way)

    assert house.holds(b"lone")


@pytest.mark.parametrize("way", ["ttl", "size"])
@pytest.mark.parametrize("since", [0 * HOUR, 2 * HOUR])
def test_a_pinned_image_whose_index_goes(
    house: House, upstream: FakeUpstream, way: str, since: timedelta
) -> None:
    """Whether it was pulled with the index, or for itself since."""
    image = build_image([b"pinned"])
    upstream.put_index(NAME, build_index([image]), "1")
    assert house.get(f"{NAME}/manifests/1")[0] == 200
    house.later(since)
    house.pull(NAME, str(image.digest), image)
    pin(Selection.parse(str(image.digest)), "me", house.now)

    _run_by(house, way)

    assert house.holds(b"pinned")
    assert [link.manifest.digest for link in models.ManifestLink.objects.all()] == [
        str(image.digest)
    ]


def test_an_image_of_a_kept_index_stays_and_the_same_one_elsewhere_goes(
    house: House, upstream: FakeUpstream
) -> None:
    image = build_image([b"in both"])
    upstream.put_index(NAME, build_index([image]), "1")
    assert house.get(f"{NAME}/manifests/1")[0] == 200
    for name in (NAME, "acme/copy"):
        upstream.put_image(name, image)
        house.pull(name, str(image.digest), image)
    pin(Selection.parse(f"{NAME}:1"), "me", house.now)

    _run_by(house, "ttl")

    assert house.holds(b"in both")
    left = models.ManifestLink.objects.values_list("repository__name", flat=True)
    assert sorted(left) == [NAME, NAME]


def test_an_image_that_two_indexes_list_goes_with_the_last_of_them(
    house: House, upstream: FakeUpstream
) -> None:
    image, other = build_image([b"listed twice"]), build_image([b"other"])
    for tag, listed in (("1", [image]), ("2", [image, other])):
        upstream.put_index(NAME, build_index(listed), tag)
    assert house.get(f"{NAME}/manifests/1")[0] == 200
    house.pull(NAME, str(image.digest), image)
    house.later(6 * DAY)
    assert house.client.head(f"/v2/{NAME}/manifests/2").status_code == 200
    house.later(2 * DAY)

    assert house.names(house.run()) == [f"{NAME}:1"]
    assert house.holds(b"listed twice")

    _run_by(house, "ttl")
    assert house.files() == house.records() == {}


def test_the_tags_of_another_repository(house: House, upstream: FakeUpstream) -> None:
    image = build_image([b"in both"])
    for name in (NAME, "acme/copy"):
        upstream.put_image(name, image, "1")
        house.pull(name, "1", image)
        house.later(4 * DAY)

    assert house.names(house.run()) == [f"{NAME}:1"]

    left = models.Tag.objects.values_list("repository__name", flat=True)
    assert list(left) == ["acme/copy"]


def test_a_blob_of_two_upstreams_has_the_longer_ttl() -> None:
    """One of an upstream that is not configured any more has the default one."""
    policy = Policy(ttls={"short": DAY, "long": 7 * DAY, "ever": None}, default_ttl=3 * DAY)

    def has_expired(after: timedelta, *upstreams: str) -> bool:
        blob = LoneBlob("a digest", 1, START, tuple((each, "a/b") for each in upstreams))
        return policy.has_blob_expired(blob, START + after)

    assert has_expired(DAY, "short")
    assert not has_expired(6 * DAY, "short", "long")
    assert has_expired(7 * DAY, "long", "short")
    assert not has_expired(700 * DAY, "ever", "short")
    assert [has_expired(n * DAY, "unknown", "short") for n in (2, 3)] == [False, True]
    assert [has_expired(n * DAY) for n in (2, 3)] == [False, True]


@pytest.mark.parametrize("way", ["ttl", "size"])
def test_an_image_of_which_a_blob_is_being_filled(
    house: House, upstream: FakeUpstream, way: str
) -> None:
    image = upstream.add_image(NAME, "1", [b"here", b"on its way"])
    assert house.get(f"{NAME}/manifests/1")[0] == 200
    assert house.get(f"{NAME}/blobs/{Digest.of(b'here')}")[0] == 200
    part = house.mirror.store.begin(image.layer_digests[1])
    assert part is not None

    with closing(part):
        _run_by(house, way)

    assert house.holds(b"here")
    assert models.ManifestLink.objects.count() == 1


def test_an_image_of_which_a_blob_is_being_read(house: House, upstream: FakeUpstream) -> None:
    """All of it, and not the blob alone: its client asks for the other blobs next."""
    image = upstream.add_image(NAME, "1", [b"one", b"two"])
    house.pull(NAME, "1", image)
    file = house.mirror.store.open(Digest.of(b"one"))
    assert file is not None

    with file:
        _run_by(house, "ttl")

    assert house.holds(b"one")
    assert house.holds(b"two")
    assert models.Tag.objects.count() == models.ManifestLink.objects.count() == 1


@pytest.mark.parametrize("way", ["ttl", "size"])
@pytest.mark.parametrize("what", ["image", "blob", "image that needs it", "index that lists it"])
def test_what_was_wanted_again_since_it_was_chosen(
    house: House, upstream: FakeUpstream, way: str, what: str
) -> None:
    image = upstream.add_image(NAME, "1", [b"wanted"])
    house.pull(NAME, "1", image)
    upstream.add_image(NAME, "2", [b"wanted", b"more"])
    upstream.put_index(NAME, build_index([image]), "3")
    once = iter(
        {
            "image": [f"{NAME}/manifests/1"],
            "blob": [f"{NAME}/blobs/{Digest.of(b'wanted')}"],
            "image that needs it": [f"{NAME}/manifests/2"],
            "index that lists it": [f"{NAME}/manifests/3"],
        }[what]
    )

    def meanwhile() -> None:
        house.later(timedelta(seconds=1))
        for path in once:
            assert house.get(path)[0] == 200

    _run_by(house, way, meanwhile)

    assert house.holds(b"wanted")
    assert house.files() == house.records()


def test_room_that_somebody_waits_for_is_made_besides(house: House, upstream: FakeUpstream) -> None:
    for name in ("acme/a", "acme/b"):
        house.pull(name, "1", upstream.add_image(name, "1", [name.encode() * 100]))
        house.later(HOUR)
    free = house.mirror.store.space().free
    policy = Policy()

    assert Run(policy, "a test", wanted=free // 2).now().images == 0
    assert Run(policy, "a test", wanted=free * 2).now().images == 2
    assert {row.reason for row in models.Removal.objects.all()} == {Reason.MIN_FREE}


def test_where_the_space_is_by_age_goes_by_the_last_pull_of_the_image(
    house: House, upstream: FakeUpstream
) -> None:
    """A client that has its layers asks for the manifest only."""
    house.pull(NAME, "1", upstream.add_image(NAME, "1", [b"layer"]))
    house.later(7 * DAY)
    house.run(dry_run=True)
    assert _ages(house) == ["less than 30 days"]
    assert house.client.head(f"/v2/{NAME}/manifests/1").status_code == 200
    house.run(dry_run=True)

    assert _ages(house) == ["less than a day"]


def _ages(house: House) -> list[str]:
    found: Usage = usage("age", house.now, house.default)
    return [row.name for row in found.rows]
