"""The operator is told what the janitor did, and what was wrong."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import pytest

from cache import retention, runtime
from cache.models import JanitorRun
from cache.oci.selection import Selection
from cache.streaming.store import FileStore
from tests.retention.house import DAY, House


def test_a_run_says_what_it_removed(house: House) -> None:
    image = house.upstream.add_image("acme/a", "1", [b"one" * 100])
    house.pull("acme/a", "1", image)
    house.later(10 * DAY)
    retention.clean()
    (run,) = JanitorRun.objects.all()
    assert (run.images, run.blobs, run.problem) == (1, 2, "")
    assert run.size == len(image.config) + 300
    assert run.began_at == run.ended_at == house.now


def test_a_run_says_what_it_could_not_remove(house: House) -> None:
    image = house.upstream.add_image("acme/a", "1", [b"one" * 100])
    house.pull("acme/a", "1", image)
    retention.pin(Selection.parse("acme/**"), "ada", house.now)
    config = house.mirror.config
    small = replace(config, retention=replace(config.retention, max_size=100))
    with runtime.using(replace(house.mirror, config=small)):
        retention.clean()
    assert JanitorRun.objects.get().over == len(image.config) + 200


def test_a_run_that_fails_says_why(house: House) -> None:
    gone = house.mirror.config.storage.root / "parts"

    class Store:
        def sweep(self, *_: object) -> None:
            raise OSError(5, "Input/output error", str(gone))

    mirror = replace(house.mirror, store=cast("FileStore", Store()))
    with runtime.using(mirror), pytest.raises(OSError, match="Input/output"):
        retention.clean()
    assert "the store failed" in JanitorRun.objects.get().problem


def test_only_the_last_runs_are_remembered(house: House) -> None:
    JanitorRun.objects.bulk_create(JanitorRun(began_at=house.now) for _ in range(600))
    retention.clean()
    assert JanitorRun.objects.count() == 500
