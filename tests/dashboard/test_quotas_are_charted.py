"""What was left of an upstream's quota is remembered, and drawn over a day."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client

from cache import catalog, report
from cache.models import QuotaSample
from cache.runtime import Runtime
from dashboard.queries import upstreams
from tests.dashboard.conftest import SignedIn
from tests.fakes.faults import Fault
from tests.fakes.upstream import FakeUpstream

NOON = datetime(2026, 11, 3, 12, tzinfo=UTC)
STEP = timedelta(minutes=10)

pytestmark = pytest.mark.django_db


def limits(remaining: int) -> dict[str, str]:
    return {"ratelimit-limit": "100;w=21600", "ratelimit-remaining": f"{remaining};w=21600"}


def test_the_least_that_was_left_is_remembered(
    signed_in: SignedIn, mirror: Runtime, upstream: FakeUpstream, client: Client
) -> None:
    upstream.add_image("acme/shop", "latest")
    for remaining in (90, 70):
        upstream.behave()
        upstream.misbehave(Fault(headers=limits(remaining)))
        client.get("/v2/acme/shop/manifests/latest")
        report.flush()
    (sample,) = QuotaSample.objects.all()
    assert (sample.upstream, sample.total, sample.remaining) == (
        mirror.config.proxy.name,
        100,
        70,
    )
    page = signed_in("viewer").get("/dashboard/upstreams/").content.decode()
    assert "Quota left" in page
    assert 'id="quota-1"' in page


def test_another_process_does_not_raise_it(mirror: Runtime) -> None:
    for remaining in (70, 90, 60, 65):
        catalog.record_quota("docker.io", 100, remaining, NOON)
    assert QuotaSample.objects.get().remaining == 60


def test_a_day_is_drawn_and_gaps_stay_where_they_were(mirror: Runtime) -> None:
    for ago, remaining in ((timedelta(days=2), 1), (STEP * 8, 50), (STEP * 3, 20)):
        catalog.record_quota("docker.io", 100, remaining, NOON - ago)
    steps = upstreams.quota_steps(["docker.io", "ghcr.io"], NOON + timedelta(seconds=7))
    assert [step.remaining for step in steps["docker.io"]] == [50] * 5 + [20] * 4
    assert steps["docker.io"][-1].start == NOON
    assert "ghcr.io" not in steps


def test_without_a_quota_there_is_no_chart(signed_in: SignedIn, mirror: Runtime) -> None:
    assert "Quota left" not in signed_in("viewer").get("/dashboard/upstreams/").content.decode()


def test_old_ones_are_forgotten(mirror: Runtime) -> None:
    catalog.record_quota("docker.io", 100, 5, NOON - timedelta(days=9))
    catalog.expire_traffic(NOON)
    assert not QuotaSample.objects.exists()
