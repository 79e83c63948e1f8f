"""An upstream that does not answer is an outage, from its first failure to its next answer."""

from __future__ import annotations

import pytest
from django.test import Client

from cache import report
from cache.models import Outage
from cache.runtime import Runtime
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
