"""What each repository holds, and its last pull, stand beside it, and are kept up."""

from __future__ import annotations

from datetime import timedelta

from cache import models, retention
from cache.oci.selection import Selection
from cache.retention import Policy, add_up, current_policy
from cache.retention.run import gather_pulls
from tests.fakes.images import Image
from tests.retention.house import DAY, House


def pulled(house: House, name: str, *layers: bytes) -> Image:
    image = house.upstream.add_image(name, "1", list(layers))
    house.pull(name, "1", image)
    gather_pulls()
    return image


def size(name: str) -> int:
    return models.Repository.objects.get(name=name).size


def test_a_size_is_that_of_what_is_here(house: House) -> None:
    image = pulled(house, "acme/a", b"one" * 100, b"two" * 100)
    pulled(house, "acme/b", b"one" * 100)
    add_up(house.now)
    assert size("acme/a") == len(image.config) + 600
    assert size("acme/b") > 300


def test_a_removal_is_seen_in_every_repository_at_the_next_round(house: House) -> None:
    image = pulled(house, "acme/a", b"one" * 100)
    pulled(house, "acme/b", b"two" * 100)
    add_up(house.now)
    house.later(10 * DAY)
    add_up(house.now)
    found = retention.find(Selection.parse("acme/a"), Policy())
    retention.purge(found, "ada")
    assert models.Repository.objects.get(name="acme/a").sized_at is None
    assert models.Repository.objects.get(name="acme/b").sized_at == house.now
    add_up(house.now)
    assert size("acme/a") == 0
    house.pull("acme/a", "1", image)


def test_an_eviction_is_seen_too(house: House) -> None:
    pulled(house, "acme/a", b"one" * 100)
    add_up(house.now)
    house.later(10 * DAY)
    house.run(current_policy())
    add_up(house.now)
    assert size("acme/a") == 0


def test_what_is_pulled_is_added_up_again_and_the_rest_in_its_turn(house: House) -> None:
    pulled(house, "acme/a", b"one" * 100)
    add_up(house.now)
    house.later(timedelta(minutes=5))
    pulled(house, "acme/a", b"one" * 100, b"three" * 100)
    add_up(house.now)
    assert size("acme/a") > 800
    # What came without a pull, as an import's, is found in its turn.
    house.later(10 * DAY)
    models.Repository.objects.update(size=0, sized_at=house.now)
    house.later(timedelta(minutes=5))
    add_up(house.now)
    assert size("acme/a") > 800


def test_the_last_pull_is_written_down_and_never_goes_back(house: House) -> None:
    image = pulled(house, "acme/a", b"one")
    first = house.now
    assert models.Repository.objects.get().pulled_at == first
    house.later(DAY)
    house.pull("acme/a", "1", image)
    gather_pulls()
    assert models.Repository.objects.get().pulled_at == first + DAY
    house.later(-2 * DAY)
    house.pull("acme/a", "1", image)
    gather_pulls()
    assert models.Repository.objects.get().pulled_at == first + DAY
