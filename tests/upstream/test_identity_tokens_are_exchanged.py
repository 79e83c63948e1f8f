"""OAuth2: an identity token is posted, and goes by GET where a server does not know better."""

from __future__ import annotations

import traceback
from typing import Any

import pytest

from cache.upstream.client import Upstream
from cache.upstream.errors import BadAnswer, Denied, RateLimited, ServerFailed, UpstreamError
from tests.fakes.authentication import TokenService
from tests.fakes.faults import Fault
from tests.fakes.upstream import FakeUpstream
from tests.upstream.conftest import Connect
from tests.upstream.names import LATEST, SECRET

IDENTITY = "refresh-me-the-secret"


def _service(**settings: Any) -> TokenService:
    given: dict[str, Any] = {
        "private": frozenset({"acme/secret"}),
        "identity_tokens": frozenset({IDENTITY}),
        "oauth2_status": None,
    }
    return TokenService(**{**given, **settings})


def _connect(registry: FakeUpstream, connect: Connect, service: TokenService) -> Upstream:
    registry.add_image("acme/secret", "latest")
    registry.require_bearer(service)
    return connect(registry, username="<token>", password=IDENTITY)


def test_it_is_posted(registry: FakeUpstream, connect: Connect) -> None:
    upstream = _connect(registry, connect, _service(field_name="access_token"))

    for _ in range(2):
        assert upstream.head_manifest(SECRET, LATEST).digest is not None

    (asked,) = registry.seen(path="/token")
    assert (asked.method, asked.query, asked.header("authorization")) == ("POST", "", None)
    assert asked.header("content-type") == "application/x-www-form-urlencoded"
    assert asked.form == {
        "grant_type": "refresh_token",
        "refresh_token": IDENTITY,
        "service": "fake.registry",
        "client_id": "mirrorsite",
        "access_type": "online",
        "scope": "repository:acme/secret:pull",
    }


@pytest.mark.parametrize("status", [400, 401, 404, 405])
def test_a_server_without_oauth2_gets_it_by_get(
    registry: FakeUpstream, connect: Connect, status: int
) -> None:
    registry.add_image("acme/other", "latest")
    upstream = _connect(registry, connect, _service(oauth2_status=status))

    upstream.head_manifest(SECRET, LATEST)
    assert [seen.method for seen in registry.seen(path="/token")] == ["POST", "GET"]
    assert "account" not in registry.seen("GET", "/token")[0].query

    # and from then on at once
    upstream.ping()
    assert [seen.method for seen in registry.seen(path="/token")] == ["POST", "GET", "GET"]


@pytest.mark.parametrize(("status", "error"), [(429, RateLimited), (503, ServerFailed)])
def test_trouble_is_no_reason_to_ask_otherwise(
    registry: FakeUpstream, connect: Connect, status: int, error: type[UpstreamError]
) -> None:
    upstream = _connect(registry, connect, _service(oauth2_status=status))

    with pytest.raises(error):
        upstream.head_manifest(SECRET, LATEST)

    assert registry.count(path="/token") == 1


@pytest.mark.parametrize("settings", [{}, {"takes_get": False}])
def test_one_that_is_refused_is_a_denial(
    registry: FakeUpstream, connect: Connect, settings: dict[str, Any]
) -> None:
    service = _service(identity_tokens=frozenset({"another"}), **settings)
    upstream = _connect(registry, connect, service)

    with pytest.raises(Denied) as denied:
        upstream.head_manifest(SECRET, LATEST)

    assert IDENTITY not in "".join(traceback.format_exception(denied.value))


def test_a_password_is_posted_where_get_is_not_allowed(
    registry: FakeUpstream, connect: Connect
) -> None:
    registry.add_image("acme/secret", "latest")
    registry.require_bearer(_service(users={"bob": "pw"}, takes_get=False))
    upstream = connect(registry, username="bob", password="pw")

    upstream.head_manifest(SECRET, LATEST)
    upstream.ping()

    assert [seen.method for seen in registry.seen(path="/token")] == ["GET", "POST", "POST"]
    form = registry.seen("POST", "/token")[0].form
    assert (form["grant_type"], form["username"], form["password"]) == ("password", "bob", "pw")


def test_a_way_that_stops_working_is_not_kept(registry: FakeUpstream, connect: Connect) -> None:
    service = _service(oauth2_status=404)
    upstream = _connect(registry, connect, service)
    upstream.ping()
    service.oauth2_status, service.takes_get = None, False

    with pytest.raises(BadAnswer):
        upstream.head_manifest(SECRET, LATEST)

    assert upstream.head_manifest(SECRET, LATEST).digest is not None


# A malicious realm, and a malicious redirect, get nothing.


def test_another_host_gets_no_identity_token(
    registry: FakeUpstream, elsewhere: FakeUpstream, connect: Connect
) -> None:
    service = _service()
    registry.add_image("acme/secret", "latest")
    registry.require_bearer(service, elsewhere.host_tokens(service))

    with pytest.raises(Denied):
        connect(registry, username="<token>", password=IDENTITY).head_manifest(SECRET, LATEST)

    assert [seen.method for seen in elsewhere.requests] == ["GET"]
    assert elsewhere.requests[0].header("authorization") is None
    assert IDENTITY not in repr(elsewhere.requests)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_what_is_posted_is_not_redirected(
    registry: FakeUpstream, elsewhere: FakeUpstream, connect: Connect, status: int
) -> None:
    upstream = _connect(registry, connect, _service())
    moved = Fault(status=status, headers={"Location": f"{elsewhere.url}/token"})
    registry.misbehave(moved, path="/token")

    with pytest.raises(BadAnswer, match="sent to elsewhere"):
        upstream.head_manifest(SECRET, LATEST)

    assert elsewhere.requests == []


def test_an_identity_token_sent_by_get_is_lost_on_the_way_to_elsewhere(
    registry: FakeUpstream, elsewhere: FakeUpstream, connect: Connect
) -> None:
    service = _service(oauth2_status=405)
    upstream = _connect(registry, connect, service)
    elsewhere.host_tokens(service)
    moved = Fault(status=307, headers={"Location": f"{elsewhere.url}/token"})
    registry.misbehave(moved, method="GET", path="/token")

    with pytest.raises(Denied):
        upstream.head_manifest(SECRET, LATEST)

    assert [seen.header("authorization") for seen in elsewhere.requests] == [None]


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=500),
        Fault(status=403),
        Fault(cut_after=-1),
        Fault(status=307),
        Fault(status=200, body=b"{}"),
        Fault(status=200, body=b"<html>"),
        Fault(status=200, headers={"Content-Encoding": "gzip"}),
        Fault(status=400, body=IDENTITY.encode()),
    ],
)
def test_no_failure_shows_it(
    registry: FakeUpstream, connect: Connect, caplog: pytest.LogCaptureFixture, fault: Fault
) -> None:
    upstream = _connect(registry, connect, _service())
    registry.misbehave(fault, path="/token")

    with caplog.at_level(0), pytest.raises(UpstreamError) as raised:
        upstream.head_manifest(SECRET, LATEST)

    assert IDENTITY not in "".join(traceback.format_exception(raised.value)) + caplog.text
