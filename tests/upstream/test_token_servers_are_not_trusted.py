"""A token server's answers come from outside: every failure is told, none is taken for content."""

from __future__ import annotations

import pytest

from cache.upstream.errors import (
    BadAnswer,
    Denied,
    RateLimited,
    ServerFailed,
    TooLarge,
    UpstreamError,
)
from cache.upstream.tokens import parse_token
from tests.fakes.faults import Fault
from tests.fakes.upstream import FakeUpstream
from tests.upstream.conftest import Connect
from tests.upstream.names import ALPINE, LATEST


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault(status=401), Denied),
        (Fault(status=403), Denied),
        (Fault(status=404), BadAnswer),
        (Fault(status=400), BadAnswer),
        (Fault(status=429), RateLimited),
        (Fault(status=500), ServerFailed),
        (Fault(status=200, body=b"<html>"), BadAnswer),
        (Fault(status=200, body=b"[]"), BadAnswer),
        (Fault(status=200, body=b"[" * 60_000), BadAnswer),
        (Fault(status=200, body=b'{"token": ""}'), BadAnswer),
        (Fault(status=200, body=b'{"token": 7}'), BadAnswer),
        (Fault(status=200, body=b'{"token": "a\\r\\nX-Injected: b"}'), BadAnswer),
        (Fault(status=200, body='{"token": "\u00e9"}'.encode()), BadAnswer),
        (Fault(status=200, body=b" " * 70_000), TooLarge),
    ],
)
def test_its_failure_is_the_answer(
    registry: FakeUpstream, connect: Connect, fault: Fault, error: type[UpstreamError]
) -> None:
    registry.add_image("library/alpine", "latest")
    registry.require_bearer()
    registry.misbehave(fault, path="/token")

    with pytest.raises(error) as raised:
        connect(registry).head_manifest(ALPINE, LATEST)

    assert type(raised.value) is error


@pytest.mark.parametrize("told", [b'"3600"', b"null", b"true", b"-1", b"1e999", b"NaN", b"[]"])
def test_a_life_that_is_no_number_counts_as_the_shortest(told: bytes) -> None:
    body = b'{"token": "abc", "expires_in": ' + told + b"}"

    assert parse_token(body, "auth.example").lifetime == 60


@pytest.mark.parametrize(
    "realm", ["", "/token", "ftp://127.0.0.1/token", "http://u:p@127.0.0.1/token", "http://["]
)
def test_a_realm_that_is_no_web_address_is_refused(
    registry: FakeUpstream, connect: Connect, realm: str
) -> None:
    registry.require_bearer()
    registry.raw_challenges = [f'Bearer realm="{realm}",service="x"']

    with pytest.raises((BadAnswer, Denied)):
        connect(registry).head_manifest(ALPINE, LATEST)

    assert registry.count() == 1


def test_a_realm_may_have_a_query_of_its_own(registry: FakeUpstream, connect: Connect) -> None:
    registry.add_image("library/alpine", "latest")
    service = registry.require_bearer()
    registry.require_bearer(service, f"{registry.host_tokens(service)}?tenant=a%2Fb")

    connect(registry).head_manifest(ALPINE, LATEST)

    assert registry.count(path=r"tenant=a%2Fb.*scope=repository") == 1
