"""An upstream that does not answer is an outage, from its first failure to its next answer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client

from cache import catalog, report
from cache.contact import Contact
from cache.models import Outage
from cache.runtime import Runtime
from cache.upstream.breaker import FAILURES
from tests.e2e.processes import eventually
from tests.fakes.faults import Fault
from tests.fakes.upstream import FakeUpstream

NAME = "library/thing"
pytestmark = pytest.mark.django_db


def ask(client: Client, tag: str = "v1") -> int:
    return client.get(f"/v2/{NAME}/manifests/{tag}").status_code


def test_it_begins_and_ends(mirror: Runtime, upstream: FakeUpstream, client: Client) -> None:
    upstream.add_image(NAME, "v1")
    assert ask(client) == 200
    upstream.misbehave(Fault(status=500))
    for _ in range(2):
        assert ask(client) == 200  # stale
    report.flush()
    outage = Outage.objects.get()
    assert outage.upstream == mirror.config.proxy.name
    assert outage.ended_at is None
    assert "500" in outage.problem

    report.flush()
    assert Outage.objects.count() == 1

    upstream.behave()
    assert ask(client) == 200
    report.flush()
    ended = Outage.objects.get()
    assert ended.ended_at is not None
    assert ended.began_at <= ended.last_at <= ended.ended_at


def test_a_probe_that_is_answered_ends_it(
    mirror: Runtime, upstream: FakeUpstream, client: Client
) -> None:
    _go_away(upstream, client)
    report.flush()
    assert Outage.objects.get().ended_at is None

    upstream.start()
    upstream.reset()
    eventually(lambda: _contact(mirror).failing_since is None, "a probe was answered")
    report.flush()

    ended = Outage.objects.get()
    assert ended.ended_at is not None
    assert ended.ended_at > ended.last_at
    assert upstream.count("GET", "/manifests/") == upstream.count("HEAD", "/manifests/") == 0


def test_a_probe_that_is_answered_badly_does_not(
    mirror: Runtime, upstream: FakeUpstream, client: Client
) -> None:
    _go_away(upstream, client)
    upstream.misbehave(Fault(status=503))

    upstream.start()
    eventually(lambda: not mirror.upstreams[mirror.config.proxy.name].is_away, "it is asked again")

    assert _contact(mirror).failing_since is not None


def test_another_process_that_failed_before_does_not_begin_it_again(mirror: Runtime) -> None:
    name, began = mirror.config.proxy.name, datetime(2026, 5, 4, 12, tzinfo=UTC)
    failed, answered = began + timedelta(seconds=5), began + timedelta(seconds=9)
    catalog.record_outage(name, began, failed, "refused")
    catalog.end_outage(name, answered)

    catalog.record_outage(name, began, failed, "refused")
    assert Outage.objects.get().ended_at == answered

    catalog.record_outage(name, began, answered + timedelta(seconds=5), "refused")
    assert [one.ended_at for one in Outage.objects.order_by("pk")] == [answered, None]


def _go_away(upstream: FakeUpstream, client: Client) -> None:
    upstream.add_image(NAME, "v1")
    assert ask(client) == 200
    upstream.stop()
    for _ in range(FAILURES):
        assert ask(client) == 200  # stale


def _contact(mirror: Runtime) -> Contact:
    return mirror.contacts.all()[mirror.config.proxy.name]


def test_its_reason_is_what_happened_and_not_that_nobody_asks(
    mirror: Runtime, upstream: FakeUpstream, client: Client
) -> None:
    _go_away(upstream, client)
    known = _contact(mirror)
    assert "cannot be reached" in known.problem

    assert ask(client) == 200  # stale

    assert _contact(mirror) == known
    report.flush()
    assert Outage.objects.get().problem == known.problem


def test_one_failure_is_none(mirror: Runtime, upstream: FakeUpstream, client: Client) -> None:
    upstream.add_image(NAME, "v1")
    upstream.misbehave(Fault(status=500), times=1)
    ask(client)
    report.flush()
    assert not Outage.objects.exists()


def test_a_no_is_an_answer(mirror: Runtime, upstream: FakeUpstream, client: Client) -> None:
    for tag in ("v1", "v2", "v3"):
        assert ask(client, tag) == 404
    report.flush()
    contact = mirror.contacts.all()[mirror.config.proxy.name]
    assert contact.answered_at is not None
    assert contact.failures == 0
    assert not Outage.objects.exists()
