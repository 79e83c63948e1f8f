from __future__ import annotations

import httpx
import pytest

from cache.upstream.errors import BadAnswer, Denied, NotFound, ServerFailed
from cache.upstream.reply import Reply
from cache.upstream.transport import next_hop
from tests.fakes.authentication import TokenService
from tests.fakes.faults import Fault
from tests.fakes.upstream import FakeUpstream
from tests.upstream.conftest import Connect
from tests.upstream.names import ALPINE, LATEST

LAYER = b"layer" * 1000


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_storage_on_another_host_gets_no_authorization(
    registry: FakeUpstream, elsewhere: FakeUpstream, connect: Connect, status: int
) -> None:
    digest = registry.add_blob("library/alpine", LAYER)
    registry.require_bearer()
    registry.redirect_status = status
    registry.redirect_blobs_to(elsewhere)

    with connect(registry).open_blob(ALPINE, digest, 100) as stream:
        received = b"".join(stream.chunks)

    assert (stream.offset, stream.size, received) == (100, len(LAYER), LAYER[100:])
    (asked,) = elsewhere.requests
    assert asked.header("authorization") is None
    assert asked.header("range") == "bytes=100-"
    assert registry.seen(path="/blobs/")[-1].header("authorization") is not None


def test_another_port_is_another_host(registry: FakeUpstream, connect: Connect) -> None:
    digest = registry.add_blob("library/alpine", LAYER)
    registry.require_basic({"bob": "pw"})
    with FakeUpstream(registry.host) as neighbour:
        registry.redirect_blobs_to(neighbour)

        upstream = connect(registry, username="bob", password="pw")
        with upstream.open_blob(ALPINE, digest) as stream:
            assert b"".join(stream.chunks) == LAYER

        assert [seen.header("authorization") for seen in neighbour.requests] == [None]


def test_the_same_host_keeps_the_authorization(registry: FakeUpstream, connect: Connect) -> None:
    registry.add_image("library/alpine", "latest")
    registry.require_basic({"bob": "pw"})
    moved = Fault(status=307, headers={"Location": "/v2/library/alpine/manifests/latest?moved"})
    registry.misbehave(moved, path="latest$")

    connect(registry, username="bob", password="pw").get_manifest(ALPINE, LATEST)

    assert registry.seen(path="moved")[-1].header("authorization") is not None


def test_credentials_do_not_come_back_with_the_way_back(
    registry: FakeUpstream, elsewhere: FakeUpstream, connect: Connect
) -> None:
    registry.require_basic({"bob": "pw"})
    away = Fault(status=307, headers={"Location": f"{elsewhere.url}/away"})
    registry.misbehave(away, path="/manifests/", skip=1)
    back = Fault(status=307, headers={"Location": f"{registry.url}/back"})
    elsewhere.misbehave(back)

    with pytest.raises(NotFound):
        connect(registry, username="bob", password="pw").get_manifest(ALPINE, LATEST)

    assert registry.seen(path="/back")[0].header("authorization") is None


def test_a_signature_arrives_as_it_was_written(
    registry: FakeUpstream, elsewhere: FakeUpstream, connect: Connect
) -> None:
    query = "X-Sig=a%2Fb%3D%2B~c+d'(e)*!&Expires=1&empty=&P=%7Bx%7D"
    signed = Fault(status=307, headers={"Location": f"{elsewhere.url}/a%20b/sha256:1?{query}"})
    registry.misbehave(signed)
    elsewhere.misbehave(Fault(status=200, body=b"{}"))

    connect(registry).get_manifest(ALPINE, LATEST)

    assert elsewhere.requests[0].target == f"/a%20b/sha256:1?{query}"


def test_each_opening_asks_the_origin_for_a_new_address(
    registry: FakeUpstream, elsewhere: FakeUpstream, connect: Connect
) -> None:
    digest = registry.add_blob("library/alpine", LAYER)
    registry.redirect_blobs_to(elsewhere)
    upstream = connect(registry)

    for _ in range(2):
        with upstream.open_blob(ALPINE, digest) as stream:
            assert b"".join(stream.chunks) == LAYER
        elsewhere.expire_signatures()

    assert registry.count("GET", "/blobs/") == 2


def test_storage_that_refuses_is_a_failure_and_no_denial(
    registry: FakeUpstream, elsewhere: FakeUpstream, connect: Connect
) -> None:
    digest = registry.add_blob("library/alpine", LAYER)
    registry.redirect_blobs_to(elsewhere)
    elsewhere.misbehave(Fault(status=403))

    with (
        pytest.raises(ServerFailed) as failed,
        connect(registry).open_blob(ALPINE, digest),
    ):
        pass

    assert failed.value.retryable


def test_a_challenge_of_the_storage_is_not_answered(
    registry: FakeUpstream, elsewhere: FakeUpstream, connect: Connect
) -> None:
    digest = registry.add_blob("library/alpine", LAYER)
    registry.redirect_blobs_to(elsewhere)
    elsewhere.misbehave(Fault(status=401, headers={"WWW-Authenticate": "Basic"}))
    upstream = connect(registry, username="bob", password="pw")

    with pytest.raises(ServerFailed), upstream.open_blob(ALPINE, digest):
        pass

    assert registry.count() == 1


@pytest.mark.parametrize(
    ("start", "location", "allowed"),
    [
        ("https://a.example/x", "http://a.example/x", False),
        ("https://a.example/x", "//b.example/x", True),
        ("http://a.example/x", "https://b.example/x", True),
    ],
)
def test_tls_is_not_left(start: str, location: str, allowed: bool) -> None:
    reply = Reply(httpx.Response(307, headers={"Location": location}), "a.example", False, 1.0)

    if allowed:
        assert next_hop(httpx.URL(start), reply).scheme == "https"
    else:
        with pytest.raises(BadAnswer, match="from https to http"):
            next_hop(httpx.URL(start), reply)


def test_a_loop_ends_after_five_redirects(registry: FakeUpstream, connect: Connect) -> None:
    registry.misbehave(Fault(status=302, headers={"Location": "/again"}))

    with pytest.raises(BadAnswer, match="redirects"):
        connect(registry).get_manifest(ALPINE, LATEST)

    assert registry.count() == 6


@pytest.mark.parametrize(
    "location",
    [
        None,
        "ftp://127.0.0.1/x",
        "file:///etc/passwd",
        "http://user:pw@127.0.0.1/x",
        "http://[nonsense/",
        "http:///x",
        "http://a..b/x",
        f"http://{'a' * 64}.example/x",
    ],
)
def test_an_address_that_is_none_is_not_followed(
    registry: FakeUpstream, connect: Connect, location: str | None
) -> None:
    registry.misbehave(Fault(status=307, headers={"Location": location} if location else {}))

    with pytest.raises(BadAnswer) as refused:
        connect(registry).get_manifest(ALPINE, LATEST)

    assert "pw" not in str(refused.value)


def test_the_redirected_token_request_loses_the_password_too(
    registry: FakeUpstream, elsewhere: FakeUpstream, connect: Connect
) -> None:
    registry.add_image("library/alpine", "latest")
    service = TokenService(users={"bob": "pw"})
    registry.require_bearer(service)
    elsewhere.host_tokens(service)
    moved = Fault(status=307, headers={"Location": f"{elsewhere.url}/token"})
    registry.misbehave(moved, path="/token")

    with pytest.raises(Denied):
        connect(registry, username="bob", password="pw").get_manifest(ALPINE, LATEST)

    assert registry.seen(path="/token")[0].header("authorization") is not None
    assert elsewhere.seen(path="/token")[0].header("authorization") is None
