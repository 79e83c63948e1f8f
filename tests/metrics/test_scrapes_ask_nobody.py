"""A scrape reads memory: neither the database nor an upstream is asked, or has to be there."""

from __future__ import annotations

import threading
import time

import pytest
from pytest_django import DjangoAssertNumQueries

from cache import meters, metrics
from cache.meters import families
from cache.runtime import Runtime
from cache.upstream import errors
from tests.e2e.processes import scratch
from tests.fakes.upstream import FakeUpstream
from tests.faults.clients import Client
from tests.faults.postgres import Postgres
from tests.metrics.scraping import Numbers, measured, parse
from tests.pull.conftest import mirror, upstream

__all__ = ["mirror", "upstream"]


def scrape() -> Numbers:
    return parse(metrics.exposition().decode())


def test_it_costs_no_query_and_no_request(
    mirror: Runtime, upstream: FakeUpstream, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(0):
        metrics.exposition()
    assert list(upstream.requests) == []


@pytest.mark.e2e
def test_the_database_may_be_away() -> None:
    with (
        scratch("pg") as home,
        Postgres(home) as postgres,
        measured(DATABASE_URL=postgres.url) as found,
    ):
        path, _ = found.scene.held_blob("library/thing", 100_000)
        assert found.await_that("store_objects", 1).of("database_errors_total") == 0
        postgres.stop()
        with Client(found.scene.mirror) as client:
            client.ask(path, "Connection: close")
            client.rest()
        began = time.monotonic()
        numbers = found.scrape()
        assert time.monotonic() - began < 5
        assert numbers.of("store_bytes") == 100_000
        # What it asked in vain is counted.
        assert found.scrape().of("database_errors_total", kind="question") >= 1
        postgres.start()


def test_all_kinds_of_errors_are_shown_before_they_happen(mirror: Runtime) -> None:
    def below(error: type[errors.UpstreamError]) -> set[str]:
        return {error.kind}.union(*(below(each) for each in error.__subclasses__()))

    kinds = below(errors.UpstreamError) - {"other", "head_refused"} | {"held_back"}
    assert kinds == set(families.ERROR_KINDS)
    shown = {its["kind"]: value for its, value in scrape().each("upstream_errors_total")}
    assert kinds <= shown.keys()


def test_a_queue_that_the_database_does_not_take_grows_old(mirror: Runtime) -> None:
    mirror.traffic.use_token(1, mirror.now())
    mirror.traffic.told_at = time.monotonic() - 100
    found = scrape()
    assert found.of("write_queue_length", kind="token_uses") == 1
    assert 100 <= found.of("write_queue_oldest_seconds") < 160

    mirror.traffic.take_used()
    assert scrape().of("write_queue_oldest_seconds") == 0


def test_an_upstream_that_is_left_alone_is_told(mirror: Runtime, upstream: FakeUpstream) -> None:
    name = mirror.config.proxy.name
    assert scrape().of("upstream_breaker_open", upstream=name) == 0
    upstream.stop()
    for _ in range(3):
        with pytest.raises(errors.Unreachable):
            mirror.upstreams[name].ping()
    assert scrape().of("upstream_breaker_open", upstream=name) == 1
    before = scrape().of("upstream_errors_total", upstream=name, kind="circuit_open")
    with pytest.raises(errors.CircuitOpen):
        mirror.upstreams[name].ping()
    after = scrape()
    assert after.of("upstream_errors_total", upstream=name, kind="circuit_open") == before + 1
    assert after.of("upstream_errors_total", upstream=name, kind="unreachable") == 3


def test_scrapes_at_the_same_time_agree(mirror: Runtime) -> None:
    before = scrape().of("served_bytes_total")
    found: list[float] = []

    def look() -> None:
        meters.add(families.SERVED, "x.example", amount=1)
        found.append(scrape().of("served_bytes_total"))

    threads = [threading.Thread(target=look) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert scrape().of("served_bytes_total") == before + 8
    assert max(found) == before + 8
