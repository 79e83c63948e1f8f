"""The overview: rates, sums, charts, the repositories with the most, what went wrong, the disk."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client

from cache import catalog, models
from cache.oci.reference import RepositoryName
from cache.oci.repository import Repository
from cache.overview import health, traffic
from cache.overview.janitor import JanitorHealth
from cache.runtime import Runtime
from cache.tally import Counts
from tests.dashboard.conftest import SignedIn

NOON = datetime(2026, 5, 4, 12, 0, 30, tzinfo=UTC)
GIB = 1024**3

pytestmark = pytest.mark.django_db


def repository(name: str) -> Repository:
    return Repository("docker.io", RepositoryName.parse(name))


def passed(at: datetime, **counts: int) -> None:
    catalog.add_traffic({repository("library/one"): Counts(**counts)}, at)


def test_each_step_of_a_range_is_there() -> None:
    passed(NOON - timedelta(minutes=5), pulls=3)
    passed(NOON, pulls=1)
    hour = traffic.steps(traffic.range_of("1h"), NOON)
    assert len(hour) == 60
    assert hour[-1].start == NOON.replace(second=0)
    assert [step.pulls for step in hour[-6:]] == [3, 0, 0, 0, 0, 1]
    assert [len(traffic.steps(traffic.range_of(k), NOON)) for k in ("24h", "7d", "30d")] == [
        24,
        168,
        30,
    ]
    assert sum(step.pulls for step in traffic.steps(traffic.range_of("30d"), NOON)) == 4


def test_what_is_older_than_the_range_is_not_in_it() -> None:
    passed(NOON - timedelta(hours=24), pulls=5)
    assert traffic.totals(traffic.steps(traffic.range_of("24h"), NOON)).pulls == 0
    assert traffic.totals(traffic.steps(traffic.range_of("7d"), NOON)).pulls == 5


def test_sums_say_what_was_saved() -> None:
    passed(NOON, hits=3, misses=1, served=4 * GIB, fetched=GIB, fetch_ms=10_000)
    totals = traffic.totals(traffic.steps(traffic.range_of("1h"), NOON))
    assert totals.hit_ratio == 0.75
    assert totals.saved == 3 * GIB
    assert totals.seconds_saved == 30


def test_nothing_is_no_ratio_and_saves_nothing() -> None:
    totals = traffic.totals(traffic.steps(traffic.range_of("1h"), NOON))
    assert totals.hit_ratio is None
    assert totals.seconds_saved is None
    assert totals.saved == 0


def test_clients_that_left_save_less_than_nothing_but_are_not_shown_so() -> None:
    passed(NOON, served=1, fetched=GIB, fetch_ms=1)
    assert traffic.totals(traffic.steps(traffic.range_of("1h"), NOON)).saved == 0


def test_rates_are_of_the_last_minutes() -> None:
    passed(NOON - timedelta(minutes=5), requests=900)
    passed(NOON - timedelta(minutes=1), requests=60)
    passed(NOON, requests=30, served=9000)
    rates = traffic.rates(NOON)
    assert rates.requests == 1.0
    assert rates.served == 100.0


@pytest.mark.parametrize("key", ["1h", "24h", "7d", "30d"])
def test_the_repositories_with_the_most(key: str) -> None:
    counted = {repository(f"library/{n}"): Counts(pulls=n, served=100 - n) for n in range(20)}
    catalog.add_traffic(counted, NOON)
    by_pulls = traffic.top_repositories(traffic.range_of(key), NOON, "pulls")
    by_bytes = traffic.top_repositories(traffic.range_of(key), NOON, "served")
    assert [(top.repository, top.amount) for top in by_pulls[:2]] == [
        ("docker.io/library/19", 19),
        ("docker.io/library/18", 18),
    ]
    assert len(by_pulls) == 8
    assert by_pulls[0].part == 1.0
    assert by_bytes[0].repository == "docker.io/library/0"


def test_an_outage_is_told_with_what_was_served_meanwhile(mirror: Runtime) -> None:
    catalog.record_outage("docker.io", NOON, NOON + timedelta(minutes=6), "no route")
    passed(NOON + timedelta(minutes=3), pulls=9, stale=7)
    catalog.end_outage("docker.io", NOON + timedelta(minutes=7))
    (happened,) = health.happenings(NOON + timedelta(hours=1))
    assert (happened.kind, happened.subject, happened.pulls) == ("outage", "docker.io", 7)
    assert happened.began_at == NOON
    assert happened.ended_at == NOON + timedelta(minutes=7)


def test_a_disk_that_fills_has_a_day(mirror: Runtime) -> None:
    now = datetime.now(UTC)
    for hours in range(24):
        models.DiskSample.objects.create(
            hour=now - timedelta(hours=24 - hours), used=hours * GIB, free=0, held=7, blobs=1
        )
    disk = health.disk(now, JanitorHealth())
    assert disk is not None
    assert disk.held == 7
    assert disk.full_at is not None
    expected = now + timedelta(hours=(disk.free - disk.reserve) / GIB)
    assert abs(disk.full_at - expected) < timedelta(minutes=1)


def test_a_disk_that_does_not_fill_has_none(mirror: Runtime) -> None:
    now = datetime.now(UTC)
    disk = health.disk(now, JanitorHealth())
    assert disk is not None
    assert not disk.is_forecast
    for hours in range(24):
        models.DiskSample.objects.create(
            hour=now - timedelta(hours=hours), used=5, free=0, held=0, blobs=0
        )
    disk = health.disk(now, JanitorHealth())
    assert disk is not None
    assert disk.is_forecast
    assert disk.full_at is None


@pytest.mark.parametrize(
    ("free", "keeper", "says"),
    [
        (2 * GIB, JanitorHealth(short=GIB), "The mirror works."),
        (GIB, JanitorHealth(), "The mirror works."),
        (
            GIB,
            JanitorHealth(short=GIB),
            "The mirror works, but keeps nothing new: less of its disk is free than is to stay so.",
        ),
        (
            2 * GIB,
            JanitorHealth(over=GIB),
            "The mirror works, but its store is larger than it may be.",
        ),
    ],
    ids=["was short", "has not looked yet", "short", "too large"],
)
def test_a_full_disk_and_a_large_store_are_two_things(
    mirror: Runtime, free: int, keeper: JanitorHealth, says: str
) -> None:
    disk = health.disk(NOON, keeper)
    assert disk is not None
    disk = replace(disk, used=0, free=free, reserve=2 * GIB)
    assert health.verdict([], disk, keeper).sentence == says


def test_the_page_says_it_in_words(signed_in: SignedIn, mirror: Runtime, client: Client) -> None:
    now = datetime.now(UTC)
    passed(now, requests=4, pulls=2, hits=3, misses=1, served=3 * GIB, fetched=GIB)
    page = signed_in("viewer").get("/dashboard/?range=1h").content.decode()
    assert "The mirror works." in page
    assert "75 %" in page
    assert "2 GiB" in page
    assert "3 GiB to clients, 1 GiB from upstream" in page
    assert "docker.io/library/one" in page


def test_an_empty_mirror_says_what_to_do(signed_in: SignedIn, mirror: Runtime) -> None:
    page = signed_in("viewer").get("/dashboard/").content.decode()
    assert "Nothing was pulled in this time." in page
    assert "/dashboard/connect/" in page
