"""Whatever is pulled, moved, pinned, purged, expired, evicted and crashed, in whatever order:

never more than the largest size after a run, never a pinned thing gone, never a wrong or short
body, and the bytes on the disk are those in the records.
"""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from cache import models, runtime, upkeep
from cache.oci.digest import Digest
from cache.oci.selection import Selection
from cache.retention import current_policy, find, measure, pin, purge, reconcile, unpin
from cache.streaming.part import Part
from cache.streaming.store import FileStore
from tests.fakes.upstream import FakeUpstream
from tests.retention.house import START, House, house_at
from tests.retention.model import BLOBS, IMAGES, INDEX, TARGETS, Model, recorded_links

TTL = timedelta(days=7)
NAMES = st.sampled_from(["acme/a", "acme/b"])
TAGS = st.sampled_from(["1", "2"])
DIGESTS = st.sampled_from(sorted(TARGETS))
SIZES = st.integers(min_value=1, max_value=20_000)
#: Pulls are at one moment, or further apart than what is pulled with an image.
HOURS = st.integers(min_value=2, max_value=100)


class Crash(BaseException):
    """The process is no more."""


class FragileStore(FileStore):
    """A store under which the process dies before, or just after, a blob's removal."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.points_left = -1
        self.loses_commit = False

    def _point(self) -> None:
        self.points_left -= 1
        if self.points_left == 0:
            raise Crash

    def remove_unread(self, digest: Digest) -> bool:
        self._point()
        done = super().remove_unread(digest)
        self._point()
        return done

    def delete(self, digest: Digest) -> bool:
        self._point()
        done = super().delete(digest)
        self._point()
        return done

    def commit(self, digest: Digest, part: Part) -> None:
        super().commit(digest, part)
        if self.loses_commit:
            raise OSError("the process died between the commit and its record")


class Histories(RuleBasedStateMachine):
    """A mirror, its upstream, and the model of what it holds."""

    def __init__(self, root: Path) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.root = root
        self.model = Model()
        self.upstream = self.stack.enter_context(FakeUpstream())
        for name in ("acme/a", "acme/b"):
            for image in IMAGES:
                self.upstream.put_image(name, image)
            self.upstream.put_index(name, INDEX)
            for tag in ("1", "2"):
                self.upstream.tag(name, tag, IMAGES[0].digest)
        self.mirror = ExitStack()
        self.time = START
        self.start()

    def start(self) -> None:
        self.house: House = self.mirror.enter_context(house_at(self.root, self.upstream))
        self.house.time[0] = self.time
        self.store = FragileStore(self.root)
        built = replace(self.house.mirror, store=self.store)
        self.mirror.enter_context(runtime.using(built))
        self.house.mirror = built
        # The coalescer has a store of its own.
        built.coalescer._store = self.store

    def teardown(self) -> None:
        try:
            for data in BLOBS.values():
                self.house.get(f"acme/a/blobs/{Digest.of(data)}")
            for path in self.root.glob("blobs/*/*/*"):
                assert Digest.of(path.read_bytes()).hex == path.name
        finally:
            self.mirror.close()
            self.stack.close()
            for model in (
                models.Tag, models.ManifestLink, models.ManifestReference, models.Manifest,
                models.BlobLink, models.Blob, models.Pin, models.Removal, models.DoomedFile,
                models.TagMove, models.Repository,
            ):  # fmt: skip
                model.objects.all().delete()
            shutil.rmtree(self.root)

    # What happens

    @rule(name=NAMES, tag=TAGS)
    def pull(self, name: str, tag: str) -> None:
        target = self.upstream.repository(name).tags[tag]
        status, body = self.house.get(f"{name}/manifests/{tag}")
        assert (status, str(Digest.of(body))) == (200, target)
        for image in TARGETS[target]:
            self.house.pull(name, str(image.digest), image)
        self.model.pull(name, tag, target, self.time)

    @rule(name=NAMES, digest=st.sampled_from(sorted(BLOBS)))
    def pull_a_blob(self, name: str, digest: str) -> None:
        assert self.house.get(f"{name}/blobs/{digest}") == (200, BLOBS[digest])
        self.model.blobs[digest] = self.time

    @rule(name=NAMES, tag=TAGS, digest=DIGESTS)
    def move(self, name: str, tag: str, digest: str) -> None:
        self.upstream.tag(name, tag, Digest.parse(digest))

    @rule(hours=HOURS)
    def wait(self, hours: int) -> None:
        self.time += timedelta(hours=hours)
        self.house.time[0] = self.time

    @rule(name=NAMES, tag=TAGS)
    def pin_a_tag(self, name: str, tag: str) -> None:
        pin(Selection.parse(f"{name}:{tag}"), "me", self.time)
        self.model.pins.add(f"{name}:{tag}")

    @rule(digest=st.sampled_from(sorted({*TARGETS, *BLOBS})))
    def pin_a_digest(self, digest: str) -> None:
        pin(Selection.parse(digest), "me", self.time)
        self.model.pins.add(digest)

    @rule(data=st.data())
    def unpin(self, data: st.DataObject) -> None:
        if self.model.pins:
            text = data.draw(st.sampled_from(sorted(self.model.pins)))
            assert unpin(Selection.parse(text))
            self.model.pins.remove(text)

    @rule(name=NAMES, tag=TAGS)
    def purge(self, name: str, tag: str) -> None:
        target = self.model.tags.get((name, tag))
        found = find(Selection.parse(f"{name}:{tag}"), current_policy())
        assert found.digests == [target] * (target is not None)
        kept = set(self.model.links) - {(name, str(target))}
        kept -= self.model.below({(name, str(target))})
        stay = self.model.needed(kept) & set(self.model.blobs)
        purge(found, "me")
        self.model.look()
        assert (name, target) not in self.model.links
        assert kept <= set(self.model.links)
        assert stay <= set(self.model.blobs)

    @rule()
    def expire(self) -> None:
        self.house.run()
        self.model.expire(self.time, TTL)
        assert recorded_links() == set(self.model.links)
        assert set(self.house.records()) == set(self.model.blobs)

    @rule(size=SIZES)
    def shrink(self, size: int) -> None:
        would, _ = self.house.evict(replace(current_policy(), max_size=size), dry_run=True)
        did, _ = self.house.evict(replace(current_policy(), max_size=size))
        assert would == did
        self._assert_shrunk(size)

    @rule(size=SIZES, points=st.integers(min_value=1, max_value=12))
    def crash_while_shrinking(self, size: int, points: int) -> None:
        self.store.points_left = points
        try:
            self.house.run(replace(current_policy(), max_size=size))
        except Crash:
            pinned = self.model.pinned_blobs()
            self.restart()
            assert pinned <= set(self.house.files())
            self.model.look()
        else:
            self.store.points_left = -1
            self._assert_shrunk(size)

    @rule(name=NAMES, digest=st.sampled_from(sorted(BLOBS)))
    def crash_while_filling(self, name: str, digest: str) -> None:
        self.store.loses_commit = True
        assert self.house.get(f"{name}/blobs/{digest}") == (200, BLOBS[digest])
        self.restart()
        self.model.blobs[digest] = max(self.time, self.model.blobs.get(digest, self.time))

    @rule()
    def restart(self) -> None:
        # A stop writes it down; and what a crash loses of it is not what is examined here.
        upkeep.flush()
        self.mirror.close()
        self.mirror = ExitStack()
        self.start()
        # As the janitor does at its start.
        reconcile()

    # What must hold

    def _assert_shrunk(self, size: int) -> None:
        before, pinned = self.model.roots(), self.model.pinned_blobs()
        times = dict(self.model.links)
        unpinned = {link for link in before if not self.model.is_pinned(link)}
        self.model.expire(self.time, TTL)
        self.model.look()
        here = self.house.records()
        assert pinned <= set(here), "what is pinned is here"
        if measure().held > size:
            assert set(here) == self.model.pinned_blobs(), "nothing else is left"
        gone = unpinned - set(self.model.links)
        left = [times[link] for link in unpinned & set(self.model.links)]
        assert all(times[link] <= min(left) for link in gone if left), "the oldest go first"

    @invariant()
    def the_disk_is_as_recorded(self) -> None:
        assert self.house.files() == self.house.records()
        assert not models.DoomedFile.objects.exists()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_histories(transactional_db: None, tmp_path: Path) -> None:
    roots = iter(range(1_000_000))

    class Here(Histories):
        def __init__(self) -> None:
            super().__init__(tmp_path / str(next(roots)))

    run_state_machine_as_test(
        Here,
        settings=settings(
            max_examples=40,
            stateful_step_count=25,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
