"""The overview tells what the janitor did, when it comes again, and what is wrong with it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from cache import runtime
from cache.config import Reserve
from cache.models import DiskSample, JanitorRun
from cache.overview import health, janitor
from cache.overview.janitor import JanitorHealth
from cache.runtime import Runtime
from tests.dashboard.conftest import SignedIn

NOON = datetime(2026, 11, 3, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
GIB = 1024**3

pytestmark = pytest.mark.django_db


def ran(ago: timedelta, **fields: object) -> None:
    JanitorRun.objects.create(**{"began_at": NOON - ago - MINUTE, "ended_at": NOON - ago, **fields})


def test_before_the_first_run_nothing_is_known() -> None:
    assert janitor.health(NOON).state == "unknown"


def test_the_last_run_the_day_and_the_next_one() -> None:
    ran(timedelta(hours=30), size=100)
    ran(timedelta(hours=20), size=20, images=2)
    ran(MINUTE, size=3, images=1, blobs=4, held=50)
    found = janitor.health(NOON)
    assert (found.state, found.size, found.images, found.freed) == ("ok", 3, 1, 23)
    assert found.ended_at == NOON - MINUTE
    assert found.next_at == NOON + 4 * MINUTE
    assert found.held == 50


def test_while_it_works_it_says_since_when() -> None:
    ran(5 * MINUTE, size=3)
    JanitorRun.objects.create(began_at=NOON - MINUTE)
    found = janitor.health(NOON)
    assert (found.state, found.working_since, found.next_at) == ("ok", NOON - MINUTE, None)
    assert found.size == 3


@pytest.mark.parametrize(
    ("fields", "state"),
    [({"problem": "the store failed"}, "away"), ({"over": 7}, "warn"), ({"short": 7}, "warn")],
)
def test_trouble_is_seen(fields: dict[str, object], state: str) -> None:
    ran(MINUTE, **fields)
    assert janitor.health(NOON).state == state


@pytest.mark.parametrize("fields", [{}, {"ended_at": None}], ids=["ended", "died at work"])
def test_one_that_does_not_come_any_more_is_late(fields: dict[str, object]) -> None:
    ran(timedelta(hours=1), **fields)
    found = janitor.health(NOON)
    assert (found.state, found.is_late, found.working_since, found.next_at) == (
        "warn",
        True,
        None if not fields else NOON - timedelta(hours=1) - MINUTE,
        None,
    )


@pytest.mark.parametrize(
    ("fields", "says", "works"),
    [
        ({}, "Nothing had to go.", True),
        ({"images": 2, "blobs": 9, "size": 3 * GIB}, "2 images and 9 blobs went.", True),
        ({"problem": "the database failed"}, "Its last run failed: the database failed.", False),
        ({"over": GIB}, "The store is 1 GiB larger than it may be.", False),
        # The disk that the test is on has room by now.
        ({"short": 2 * GIB}, "The disk has 2 GiB too little free.", True),
    ],
)
def test_the_overview_says_it_in_words(
    signed_in: SignedIn, mirror: Runtime, fields: dict[str, object], says: str, *, works: bool
) -> None:
    now = datetime.now(UTC)
    JanitorRun.objects.create(began_at=now - MINUTE, ended_at=now, **fields)
    page = " ".join(signed_in("viewer").get("/dashboard/overview/now/").content.decode().split())
    assert says in page
    assert ("The mirror works." in page) == works


def test_the_store_has_a_limit_and_a_day_on_which_it_is_reached(mirror: Runtime) -> None:
    for hours in range(24):
        DiskSample.objects.create(
            hour=NOON - timedelta(hours=23 - hours), used=5, free=0, held=hours * GIB, blobs=1
        )
    wanted = replace(mirror.config.retention, max_size=47 * GIB, min_free=Reserve(size=3 * GIB))
    with runtime.using(replace(mirror, config=replace(mirror.config, retention=wanted))):
        disk = health.disk(NOON, JanitorHealth())
    assert disk is not None
    assert (disk.limit, disk.reserve, disk.held) == (47 * GIB, 3 * GIB, 23 * GIB)
    assert disk.full_at == NOON + timedelta(hours=24)
    assert disk.days_left == 1
