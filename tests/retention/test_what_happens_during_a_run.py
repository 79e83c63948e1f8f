"""A run takes its time on a large store: clients pull, and operators pin and look, meanwhile."""

from __future__ import annotations

import errno
from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from cache import models, runtime
from cache.oci.digest import Digest
from cache.oci.selection import Selection
from cache.retention import Policy, Removed, Run, Summary, current_policy, pin
from cache.signals import RollCall
from cache.streaming.flight import exclusive
from cache.streaming.store import FileStore
from tests.fakes.images import Image, build_index
from tests.fakes.upstream import FakeUpstream
from tests.retention.house import DAY, House

SECOND = timedelta(seconds=1)


def _shrink(pause: Callable[[], None], removed: list[Removed] | None = None) -> Summary:
    policy = replace(current_policy(), max_size=1)
    found = removed if removed is not None else []
    return Run(policy, "a test", on_removed=found.append, pause=pause).now()


@pytest.mark.parametrize("kind", ["image", "blob"])
def test_it_ends_though_what_it_wants_to_remove_is_pulled_again_and_again(
    house: House, upstream: FakeUpstream, kind: str
) -> None:
    image = upstream.add_image("acme/app", "1", [b"hot"])
    lone = upstream.add_blob("acme/data", b"hot too")

    def pull() -> None:
        if kind == "image":
            house.pull("acme/app", "1", image)
        else:
            assert house.get(f"acme/data/blobs/{lone}")[0] == 200

    steps = 0

    def pull_meanwhile() -> None:
        nonlocal steps
        steps += 1
        assert steps < 5, "the run follows what it cannot remove"
        house.later(SECOND)
        pull()

    pull()

    summary = _shrink(pull_meanwhile)

    assert (summary.images, summary.blobs) == (0, 0)
    assert summary.over > 0
    assert house.files() == house.records() != {}


@pytest.mark.parametrize("what", ["acme/app:1", "acme/**", "image", "layer", "child"])
def test_a_pin_counts_from_the_moment_at_which_it_is_set(
    house: House, upstream: FakeUpstream, what: str
) -> None:
    image = upstream.add_image("acme/app", "1", [b"wanted after all"])
    index = build_index([image])
    upstream.put_index("acme/app", index, "1")
    assert house.get("acme/app/manifests/1")[0] == 200
    house.pull("acme/app", str(image.digest), image)
    digests = {
        "image": index.digest,
        "child": image.digest,
        "layer": Digest.of(image.layers[0]),
    }

    _shrink(lambda: _pin(house, str(digests.get(what, what))))

    assert house.holds(image.layers[0])
    assert house.files() == house.records()


def _pin(house: House, text: str) -> None:
    pin(Selection.parse(text), "an operator", house.now)


def test_what_is_not_pinned_goes_all_the_same(house: House, upstream: FakeUpstream) -> None:
    pulled: dict[str, Image] = {}
    for name in ("acme/app", "acme/other"):
        pulled[name] = upstream.add_image(name, "1", [name.encode()])
        house.pull(name, "1", pulled[name])
    removed: list[Removed] = []

    _shrink(lambda: _pin(house, "acme/app"), removed)

    assert house.names(removed) == ["acme/other:1"]
    assert house.holds(b"acme/app")
    assert not house.holds(b"acme/other")


def test_who_only_looks_is_in_nobodys_way(house: House, upstream: FakeUpstream) -> None:
    """What a dry run says may be read by a pager, whose reader has gone for lunch."""
    house.pull("acme/app", "1", upstream.add_image("acme/app", "1", [b"old"]))
    house.later(8 * DAY)
    others: list[bool] = []

    def look(_removed: Removed) -> None:
        with exclusive(house.mirror.locks, "retention", timeout=0.0) as is_free:
            others.append(is_free)

    Run(Policy(default_ttl=DAY), "a test", dry_run=True, on_removed=look).now()

    assert others == [True]


@pytest.mark.parametrize("kind", ["image", "blob"])
def test_what_was_pulled_by_a_clock_that_was_wrong_was_pulled_now(
    house: House, upstream: FakeUpstream, kind: str
) -> None:
    """The clock was a year ahead for an hour: that must not keep anything for a year."""
    house.later(365 * DAY)
    if kind == "image":
        house.pull("acme/app", "1", upstream.add_image("acme/app", "1", [b"from the future"]))
    else:
        assert house.get(f"acme/data/blobs/{upstream.add_blob('acme/data', b'lone')}")[0] == 200
    house.later(-365 * DAY)
    assert house.run() == []
    house.later(7 * DAY)

    assert len(house.run()) == 1

    assert house.files() == house.records() == {}


class _DeafProcess(RollCall):
    """A roll call on which one process never answers; who was not waited for, by call."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.passed_over: list[set[str]] = []

    def call(self, patience: float, passed_over: Collection[str] = ()) -> list[str]:
        self.passed_over.append(set(passed_over))
        assert patience > 0
        return [] if "deaf" in passed_over else ["deaf"]


def test_a_process_that_does_not_answer_is_waited_for_once(
    house: House, upstream: FakeUpstream, caplog: pytest.LogCaptureFixture
) -> None:
    """A fill that needs room waits for eight seconds in all, and one answer may take five."""
    house.pull("acme/app", "1", upstream.add_image("acme/app", "1", [b"old"]))
    house.later(8 * DAY)
    roll = _DeafProcess(house.mirror.config.storage.root / "retention")

    with runtime.using(replace(house.mirror, roll=roll)):
        assert len(house.run()) == 1

    assert roll.passed_over == [set(), {"deaf"}]
    assert caplog.text.count("not known from deaf") == 1


class _OnABadDisk(FileStore):
    """A store with one blob that the disk does not give, or does not let go."""

    def __init__(self, root: Path, bad: Digest, fails: str) -> None:
        super().__init__(root)
        self._bad = bad
        self._fails = fails

    def is_read(self, digest: Digest) -> bool:
        self._touch(digest, "read")
        return super().is_read(digest)

    def remove_unread(self, digest: Digest) -> bool:
        self._touch(digest, "remove")
        return super().remove_unread(digest)

    def _touch(self, digest: Digest, what: str) -> None:
        if digest == self._bad and what == self._fails:
            raise OSError(errno.EIO, "Input/output error")


@pytest.mark.parametrize("fails", ["read", "remove"])
def test_one_bad_sector_does_not_keep_all_else_from_going(
    house: House, upstream: FakeUpstream, fails: str, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("acme/bad", "acme/good"):
        house.pull(name, "1", upstream.add_image(name, "1", [name.encode()]))
        house.later(3 * SECOND)
    house.later(8 * DAY)
    before = sum(house.files().values())
    root = house.mirror.config.storage.root
    store = _OnABadDisk(root, Digest.of(b"acme/bad"), fails)

    with runtime.using(replace(house.mirror, store=store)):
        for _ in range(2):
            house.run()
            assert house.holds(b"acme/bad")
            assert not house.holds(b"acme/good")
            assert house.files() == house.records()

    assert str(Digest.of(b"acme/bad")) in caplog.text
    assert sum(row.size for row in models.Removal.objects.all()) == before - sum(
        house.files().values()
    )
    assert not models.DoomedFile.objects.exists()
