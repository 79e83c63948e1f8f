"""A purge that an operator orders: it is looked through, shown, confirmed, and carried out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import cast

import pytest

from cache import models, retention, runtime
from cache.models import PurgeItem, PurgeOrder, Removal
from cache.oci.digest import Digest
from cache.oci.selection import Selection
from cache.retention import CARRYING_OUT, LOOKING, NotThatWay, orders, work_off
from cache.streaming.store import FileStore
from tests.fakes.images import Image, build_image, build_index
from tests.retention.house import DAY, House

pytestmark = pytest.mark.slow

SHARED = b"shared" * 500


def by_name(text: str, unused_for: timedelta | None = None, why: str = "") -> int:
    number = orders.order_by_name(Selection.parse(text), "ada", unused_for, why)
    work_off(LOOKING)
    return number


def confirmed(number: int, by: str = "ada", *, with_pinned: bool = False) -> PurgeOrder:
    orders.confirm(number, by, with_pinned=with_pinned)
    work_off(CARRYING_OUT)
    return the(number)


def the(number: int) -> PurgeOrder:
    return PurgeOrder.objects.get(pk=number)


def items(number: int) -> list[PurgeItem]:
    return list(PurgeItem.objects.filter(order=number).order_by("place"))


def outcomes(number: int) -> dict[str, str]:
    return {f"{item.repository}:{item.tags}": item.outcome for item in items(number)}


def pulled(house: House, name: str, tag: str, own: bytes) -> Image:
    image = house.upstream.add_image(name, tag, [SHARED, own])
    house.pull(name, tag, image)
    return image


def test_what_is_shown_is_exact_and_is_what_goes(house: House) -> None:
    one = pulled(house, "acme/shop", "1", b"one" * 1000)
    two = pulled(house, "acme/worker", "2", b"two" * 1000)
    number = by_name("acme/shop:1")

    order, (item,) = the(number), items(number)
    own = len(one.config) + len(one.layers[1])
    assert (order.state, order.images, order.blobs, order.size) == ("shown", 1, 2, own)
    assert (item.repository, item.tags, item.digest) == ("acme/shop", "1", str(one.digest))
    assert (item.size, item.shared, item.sharers) == (own, len(SHARED), 1)
    assert item.shared_with == "acme/worker:2"
    assert house.holds(one.layers[1])

    done = confirmed(number)
    (item,) = items(number)
    assert (done.state, item.outcome, item.freed) == ("done", "gone", own)
    assert not house.holds(one.layers[1])
    assert house.holds(SHARED)
    house.pull("acme/worker", "2", two)
    house.pull("acme/shop", "1", one)


def test_the_record_says_who_and_why(house: House) -> None:
    pulled(house, "acme/shop", "1", b"one")
    confirmed(by_name("acme/shop:1", why="it does not start"), by="grace")
    (removal,) = Removal.objects.all()
    assert (removal.by, removal.reason) == ("grace", "purged")
    assert removal.detail == "purged by grace: it does not start"


def test_nothing_goes_before_somebody_says_yes(house: House) -> None:
    pulled(house, "acme/shop", "1", b"one")
    number = by_name("acme/shop")
    work_off(CARRYING_OUT)
    assert the(number).state == "shown"
    assert Removal.objects.count() == 0


def test_an_index_and_its_images_are_one_and_counted_once(house: House) -> None:
    images = [build_image([name * 700]) for name in (b"amd", b"arm")]
    index = house.upstream.put_index("acme/multi", build_index(images), "latest")
    house.get("acme/multi/manifests/latest")
    for image in images:
        house.pull("acme/multi", str(image.digest), image)
    number = by_name("acme/multi")

    (item,) = items(number)
    assert (item.tags, item.digest) == ("latest", str(index.digest))
    assert item.size == sum(house.files().values())
    assert confirmed(number).state == "done"
    assert house.files() == {}
    assert sum(Removal.objects.values_list("size", flat=True)) == item.size


def test_what_two_that_go_share_comes_back_with_the_last(house: House) -> None:
    pulled(house, "acme/a", "1", b"one")
    pulled(house, "acme/b", "1", b"two")
    number = by_name("acme/*")
    assert the(number).size == sum(house.files().values())
    assert [item.shared_with for item in items(number)] == ["", ""]
    confirmed(number)
    assert house.files() == {}


def test_a_repository_that_contains_the_same_image_keeps_it(house: House) -> None:
    image = pulled(house, "acme/a", "1", b"one")
    house.upstream.put_image("acme/b", image, "1")
    house.pull("acme/b", "1", image)
    number = by_name("acme/a")
    (item,) = items(number)
    assert (item.size, item.blobs, item.shared_with) == (0, 0, "acme/b:1")
    confirmed(number)
    house.pull("acme/b", "1", image)


def test_what_is_pinned_takes_a_second_word(house: House) -> None:
    pulled(house, "acme/shop", "1", b"one")
    pulled(house, "acme/shop", "2", b"two")
    retention.pin(Selection.parse("acme/shop:1"), "ada", house.now)
    number = by_name("acme/shop")
    assert {item.tags: item.is_pinned for item in items(number)} == {"1": True, "2": False}

    confirmed(number)
    assert outcomes(number) == {"acme/shop:1": "pinned", "acme/shop:2": "gone"}
    again = by_name("acme/shop")
    confirmed(again, with_pinned=True)
    assert outcomes(again) == {"acme/shop:1": "gone"}


def test_an_index_with_a_pinned_image_counts_as_pinned(house: House) -> None:
    image = build_image([b"amd" * 700])
    house.upstream.put_index("acme/multi", build_index([image]), "latest")
    house.get("acme/multi/manifests/latest")
    house.pull("acme/multi", str(image.digest), image)
    number = by_name("acme/multi")
    retention.pin(Selection.parse(f"acme/multi@{image.digest}"), "ada", house.now)
    assert [item.is_pinned for item in items(number)] == [False]
    confirmed(number, with_pinned=True)
    assert outcomes(number) == {"acme/multi:latest": "pinned"}
    house.pull("acme/multi", str(image.digest), image)


def test_a_pin_made_after_the_preview_holds(house: House) -> None:
    pulled(house, "acme/shop", "1", b"one")
    number = by_name("acme/shop")
    retention.pin(Selection.parse("acme/shop"), "grace", house.now)
    confirmed(number, with_pinned=True)
    assert outcomes(number) == {"acme/shop:1": "pinned"}


def test_by_age_what_was_pulled_since_the_preview_stays(house: House) -> None:
    old = pulled(house, "acme/old", "1", b"one")
    pulled(house, "acme/older", "1", b"two")
    house.later(10 * DAY)
    pulled(house, "acme/new", "1", b"three")
    number = orders.order_by_age(5 * DAY, "ada")
    work_off(LOOKING)
    assert set(outcomes(number)) == {"acme/old:1", "acme/older:1"}

    house.later(timedelta(minutes=1))
    house.pull("acme/old", "1", old)
    confirmed(number)
    assert outcomes(number) == {"acme/old:1": "pulled", "acme/older:1": "gone"}
    (removal,) = Removal.objects.all()
    assert (removal.reason, removal.by) == ("expired", "ada")


def test_by_name_and_age_too(house: House) -> None:
    old = pulled(house, "acme/a", "1", b"one")
    pulled(house, "acme/b", "1", b"two")
    house.later(10 * DAY)
    pulled(house, "acme/c", "1", b"three")
    number = by_name("acme/*", unused_for=5 * DAY)
    assert set(outcomes(number)) == {"acme/a:1", "acme/b:1"}
    house.later(timedelta(minutes=1))
    house.pull("acme/a", "1", old)
    confirmed(number)
    assert outcomes(number) == {"acme/a:1": "pulled", "acme/b:1": "gone"}


def test_by_size_the_longest_unused_go_and_nothing_that_was_not_shown(house: House) -> None:
    for number, name in enumerate(("a", "b", "c")):
        image = house.upstream.add_image(name, "1", [name.encode() * 10_000])
        house.pull(name, "1", image)
        house.later(timedelta(hours=2 + number))
    number = orders.order_by_size(15_000, "ada")
    work_off(LOOKING)
    assert set(outcomes(number)) == {"a:1", "b:1"}
    # What has come since is still older than nothing: it was not shown, so it stays.
    models.ManifestLink.objects.filter(repository__name="c").update(pulled_at=house.now - 100 * DAY)
    confirmed(number)
    assert outcomes(number) == {"a:1": "gone", "b:1": "gone"}
    assert set(Removal.objects.values_list("repository", flat=True)) == {"a", "b"}


def test_by_size_what_was_pulled_since_the_preview_stays(house: House) -> None:
    images = {}
    for name in ("a", "b", "c"):
        images[name] = house.upstream.add_image(name, "1", [name.encode() * 10_000])
        house.pull(name, "1", images[name])
        house.later(timedelta(hours=2))
    number = orders.order_by_size(15_000, "ada")
    work_off(LOOKING)
    house.pull("a", "1", images["a"])
    confirmed(number)
    assert outcomes(number) == {"a:1": "pulled", "b:1": "gone"}
    house.pull("c", "1", images["c"])
    assert house.holds(images["a"].layers[0])


def test_by_size_no_more_goes_than_is_needed_any_more(house: House) -> None:
    for name in ("a", "b"):
        house.pull(name, "1", house.upstream.add_image(name, "1", [name.encode() * 10_000]))
        house.later(timedelta(hours=2))
    number = orders.order_by_size(15_000, "ada")
    work_off(LOOKING)
    confirmed(by_name("b"))
    confirmed(number)
    assert outcomes(number) == {"a:1": "gone", "b:1": "missing"}


def test_of_two_who_confirm_one_is_told(house: House) -> None:
    pulled(house, "acme/shop", "1", b"one")
    number = by_name("acme/shop")
    orders.confirm(number, "ada", with_pinned=False)
    with pytest.raises(NotThatWay):
        orders.confirm(number, "grace", with_pinned=True)
    work_off(CARRYING_OUT)
    assert (the(number).by, the(number).with_pinned) == ("ada", False)


def test_of_two_who_purge_the_same_the_second_hears_that_it_was_gone(house: House) -> None:
    pulled(house, "acme/shop", "1", b"one")
    first, second = by_name("acme/shop"), by_name("acme/shop:1")
    confirmed(first, by="ada")
    confirmed(second, by="grace")
    assert outcomes(first) == {"acme/shop:1": "gone"}
    assert outcomes(second) == {"acme/shop:1": "missing"}
    assert Removal.objects.count() == 1


def test_of_two_processes_one_takes_an_order_up(house: House) -> None:
    pulled(house, "acme/shop", "1", b"one")
    number = by_name("acme/shop")
    orders.confirm(number, "ada", with_pinned=False)
    read_by_both = the(number)
    taken = [orders._take(read_by_both, orders.State.AT_WORK, house.now) for _ in range(2)]
    assert taken == [True, False]
    house.later(orders.DEAD_AFTER + timedelta(seconds=1))
    left_behind = the(number)
    taken = [orders._take(left_behind, orders.State.AT_WORK, house.now) for _ in range(2)]
    assert taken == [True, False]


def test_what_has_come_since_the_preview_stays(house: House) -> None:
    pulled(house, "acme/shop", "1", b"one")
    number = by_name("acme/shop:1")
    moved = pulled(house, "acme/shop", "1", b"moved")
    confirmed(number)
    house.pull("acme/shop", "1", moved)
    assert Removal.objects.get().digest == items(number)[0].digest
    assert house.holds(moved.layers[1])


def test_an_old_preview_is_not_confirmed_but_looked_at_again(house: House) -> None:
    pulled(house, "acme/shop", "1", b"one")
    number = by_name("acme/shop")
    house.later(orders.SHOWN_FOR + timedelta(seconds=1))
    with pytest.raises(NotThatWay):
        orders.confirm(number, "ada", with_pinned=False)
    pulled(house, "acme/shop", "2", b"two")
    orders.look_again(number, "ada")
    work_off(LOOKING)
    assert set(outcomes(number)) == {"acme/shop:1", "acme/shop:2"}
    assert confirmed(number).state == "done"


@contextmanager
def dying(house: House, after: int) -> Iterator[None]:
    """The process dies at the end of so many removals, before it can say anything of them."""

    class Died(BaseException):
        pass

    real = runtime.current().store
    left = [after]

    class Store:
        def __getattr__(self, name: str) -> object:
            return getattr(real, name)

        def delete(self, digest: Digest) -> object:
            if not left[0]:
                raise Died
            left[0] -= 1
            return real.delete(digest)

    mirror = replace(house.mirror, store=cast("FileStore", Store()))
    with runtime.using(mirror), pytest.raises(Died):
        yield


def test_a_worker_that_dies_in_the_middle_is_followed_by_another(house: House) -> None:
    for name in ("a", "b", "c"):
        pulled(house, name, "1", name.encode() * 10)
    number = by_name("*")
    size = the(number).size
    orders.confirm(number, "ada", with_pinned=False)
    with dying(house, after=2):
        work_off(CARRYING_OUT)
    assert (the(number).state, the(number).attempts) == ("at_work", 1)
    work_off(CARRYING_OUT)
    assert the(number).state == "at_work"  # whoever it was may still be there

    house.later(orders.DEAD_AFTER + timedelta(seconds=1))
    work_off(CARRYING_OUT)
    order = the(number)
    assert (order.state, order.attempts) == ("done", 2)
    assert set(outcomes(number).values()) == {"gone"}
    assert sum(item.freed for item in items(number)) == size
    retention.reconcile()
    assert house.files() == {} == house.records()


def test_an_order_that_kills_every_process_is_given_up(house: House) -> None:
    pulled(house, "acme/shop", "1", b"one")
    number = by_name("acme/shop")
    orders.confirm(number, "ada", with_pinned=False)
    for _ in range(orders.MOST_ATTEMPTS):
        PurgeOrder.objects.filter(pk=number).update(state="at_work", attempts=3, beat_at=None)
    work_off(CARRYING_OUT)
    assert the(number).state == "failed"
    assert "worker processes have ended over it" in the(number).problem
    orders.go_on(number)
    work_off(CARRYING_OUT)
    assert outcomes(number) == {"acme/shop:1": "gone"}


def test_it_can_be_stopped_and_gone_on_with(house: House) -> None:
    pulled(house, "acme/shop", "1", b"one")
    number = by_name("acme/shop")
    orders.confirm(number, "ada", with_pinned=False)
    orders.stop(number)
    work_off(CARRYING_OUT)
    assert (the(number).state, outcomes(number)) == ("failed", {"acme/shop:1": ""})
    assert "stopped" in the(number).problem
    with pytest.raises(NotThatWay):
        orders.stop(number)
    orders.go_on(number)
    work_off(CARRYING_OUT)
    assert the(number).state == "done"


@pytest.mark.parametrize("text", ["nobody/here", "acme/shop:9", "sha256:" + "0" * 64])
def test_nothing_such_is_said(house: House, text: str) -> None:
    pulled(house, "acme/shop", "1", b"one")
    order = the(by_name(text))
    assert (order.state, order.problem) == ("failed", f"nothing here is {text}")


def test_what_nobody_confirmed_is_forgotten(house: House) -> None:
    pulled(house, "acme/shop", "1", b"one")
    pulled(house, "acme/shop", "2", b"two")
    undecided = by_name("acme/shop:1")
    done = by_name("acme/shop:2")
    confirmed(done)
    house.later(2 * DAY)
    retention.reconcile()
    assert [order.pk for order in PurgeOrder.objects.all()] == [done]
    house.later(100 * DAY)
    retention.reconcile()
    assert (PurgeOrder.objects.count(), PurgeItem.objects.count()) == (0, 0)
    assert undecided != done
