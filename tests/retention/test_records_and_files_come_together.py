"""What crashes leave, and what only grows: swept at the janitor's start, and once a day."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest

from cache import models, scrub, upkeep
from cache.oci.digest import Digest
from cache.retention import reconcile
from cache.retention.evict import remove_doomed
from cache.retention.reconcile import REMEMBERED
from tests.fakes.images import Image
from tests.fakes.upstream import FakeUpstream
from tests.retention.house import DAY, House, house_at

NAME = "acme/app"
LAYER = b"a layer"


@pytest.fixture
def image(house: House, upstream: FakeUpstream) -> Image:
    image = upstream.add_image(NAME, "1", [LAYER])
    house.pull(NAME, "1", image)
    return image


def _path(house: House, data: bytes) -> Path:
    found = Digest.of(data).hex
    return house.mirror.config.storage.root / "blobs" / "sha256" / found[:2] / found


def _doom(data: bytes, house: House) -> None:
    digest = str(Digest.of(data))
    models.DoomedFile.objects.create(digest=digest, size=len(data), pulled_at=house.now)


def test_a_file_without_a_record_is_recorded_as_if_pulled_now(house: House, image: Image) -> None:
    models.Blob.objects.filter(digest=str(Digest.of(LAYER))).delete()
    house.later(6 * DAY)

    assert reconcile() == (0, 1)

    assert house.holds(LAYER)
    row = models.Blob.objects.get(digest=str(Digest.of(LAYER)))
    assert (row.size, row.pulled_at) == (len(LAYER), house.now)
    assert reconcile() == (0, 0)


def test_a_record_without_a_file_goes_and_the_next_pull_fetches_it(
    house: House, upstream: FakeUpstream, image: Image
) -> None:
    _path(house, LAYER).unlink()

    assert reconcile() == (1, 0)

    assert house.files() == house.records()
    upstream.reset()
    house.pull(NAME, "1", image)
    assert upstream.count("GET", "/blobs/") == 1


def test_what_a_killed_command_has_left_goes_with_the_next_run(house: House, image: Image) -> None:
    """The mirror beside it has not been restarted: nothing is reconciled until the next day."""
    models.Blob.objects.filter(digest=str(Digest.of(LAYER))).delete()
    _doom(LAYER, house)

    assert house.run() == []

    assert not house.holds(LAYER)
    assert not models.DoomedFile.objects.exists()


def test_a_doomed_file_goes(house: House, image: Image) -> None:
    models.Blob.objects.filter(digest=str(Digest.of(LAYER))).delete()
    _doom(LAYER, house)
    known = house.mirror.remembered.renewed()

    remove_doomed(house.mirror.store)

    assert not house.holds(LAYER)
    assert not models.DoomedFile.objects.exists()
    assert house.mirror.remembered.renewed() != known, "nobody goes on with what was remembered"


def test_a_doomed_file_that_was_recorded_since_stays(house: House, image: Image) -> None:
    """A pull found it between the crash and the next run."""
    _doom(LAYER, house)

    remove_doomed(house.mirror.store)

    assert house.holds(LAYER)
    assert not models.DoomedFile.objects.exists()


def test_a_doomed_file_that_is_read_stays_and_is_recorded_again(house: House, image: Image) -> None:
    models.Blob.objects.filter(digest=str(Digest.of(LAYER))).delete()
    _doom(LAYER, house)
    file = house.mirror.store.open(Digest.of(LAYER))
    assert file is not None

    with file:
        remove_doomed(house.mirror.store)

    assert house.holds(LAYER)


def test_removals_are_remembered_for_ninety_days(house: House, image: Image) -> None:
    house.later(7 * DAY)
    assert len(house.run()) == 1
    house.later(REMEMBERED)
    reconcile()
    assert models.Removal.objects.count() == 1

    house.later(timedelta(seconds=1))
    reconcile()

    assert not models.Removal.objects.exists()


def test_links_to_what_is_not_here_are_forgotten_and_others_are_not(
    house: House, upstream: FakeUpstream, image: Image
) -> None:
    gone = upstream.add_blob(NAME, b"gone")
    assert house.client.head(f"/v2/{NAME}/blobs/{gone}").status_code == 200
    before = models.BlobLink.objects.count()
    known = house.mirror.remembered.renewed()
    house.later(31 * DAY)

    reconcile()

    assert house.mirror.remembered.renewed() != known, "nobody goes on with what was remembered"
    left = set(models.BlobLink.objects.values_list("digest", flat=True))
    assert left == {str(image.config_digest), str(Digest.of(LAYER))}
    assert len(left) == before - 1


def test_a_scrub_gives_up_the_beginning_of_a_blob_when_retention_does(
    upstream: FakeUpstream, tmp_path: Path, transactional_db: None
) -> None:
    with house_at(tmp_path / "root", upstream, REGISTRY_RETENTION_PART_TTL="2h") as house:
        parts = house.mirror.config.storage.root / "parts"
        young, old = (parts / f"sha256-{digit * 64}.part" for digit in "ab")
        for part, hours in ((young, 1), (old, 3)):
            part.write_bytes(b"the beginning")
            os.utime(part, (house.now.timestamp() - hours * 3600,) * 2)

        job = upkeep.scrub_job(10**9, repair=True, on_finding=lambda _finding: None)
        scrub.verify(job, tmp_path / "place")

        assert young.exists()
        assert not old.exists()
