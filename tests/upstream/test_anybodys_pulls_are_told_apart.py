"""Whether a repository is public: asked as anybody would ask, whatever credentials there are."""

from __future__ import annotations

from pathlib import Path

import pytest

from cache.oci.reference import RepositoryName
from cache.upstream.client import Endpoint, Upstream
from cache.upstream.errors import BadAnswer, RateLimited, ServerFailed, Unreachable, UpstreamError
from cache.upstream.helper import Helper
from tests.fakes.authentication import TokenService
from tests.fakes.faults import Fault
from tests.fakes.upstream import FakeUpstream
from tests.upstream.conftest import Connect
from tests.upstream.names import ABSENT, ALPINE, LATEST, SECRET
from tests.upstream.sharing import memory_in

BOB = {"username": "bob", "password": "pw"}


@pytest.fixture
def registry(registry: FakeUpstream) -> FakeUpstream:
    registry.add_image("library/alpine", "latest")
    registry.add_image("acme/secret", "latest")
    return registry


def _tokens(registry: FakeUpstream) -> TokenService:
    return registry.require_bearer(
        TokenService(users={"bob": "pw"}, private=frozenset({"acme/secret"}))
    )


def test_an_anonymous_token_tells(registry: FakeUpstream, connect: Connect) -> None:
    _tokens(registry)
    upstream = connect(registry, **BOB)

    assert upstream.is_public(ALPINE, LATEST)
    assert not upstream.is_public(SECRET, LATEST)

    assert all(seen.method == "HEAD" for seen in registry.seen(path="/v2/"))
    for asked in registry.seen(path="/token"):
        assert asked.header("authorization") is None
        assert "account" not in asked.query


def test_the_tokens_of_both_are_kept_apart(registry: FakeUpstream, tmp_path: Path) -> None:
    _tokens(registry)
    upstream = Upstream(Endpoint(registry.url, "bob", "pw"), memory_in(tmp_path))

    for _ in range(2):
        assert upstream.head_manifest(SECRET, LATEST).digest is not None
        assert not upstream.is_public(SECRET, LATEST)
    upstream.close()

    signed_in = [seen.header("authorization") for seen in registry.seen(path="/token")]
    assert len([each for each in signed_in if each]) == 1


def test_an_open_registry_is_public(registry: FakeUpstream, connect: Connect) -> None:
    assert connect(registry, **BOB).is_public(ALPINE, LATEST)


def test_one_that_wants_a_password_is_private(registry: FakeUpstream, connect: Connect) -> None:
    registry.require_basic({"bob": "pw"})
    upstream = connect(registry, **BOB)
    assert upstream.head_manifest(ALPINE, LATEST).digest is not None
    registry.reset()

    assert not upstream.is_public(ALPINE, LATEST)

    assert [seen.header("authorization") for seen in registry.requests] == [None]


def test_a_manifest_that_is_gone_leaves_the_tags_to_ask_for(
    registry: FakeUpstream, connect: Connect
) -> None:
    _tokens(registry)
    upstream = connect(registry, **BOB)

    assert upstream.is_public(ALPINE, ABSENT)
    assert not upstream.is_public(SECRET, ABSENT)


def test_what_is_not_there_is_not_public(registry: FakeUpstream, connect: Connect) -> None:
    assert not connect(registry).is_public(RepositoryName("no/such"), LATEST)


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_no_is_a_no(registry: FakeUpstream, connect: Connect, status: int) -> None:
    registry.misbehave(Fault(status=status), path="/v2/library/")

    assert not connect(registry, **BOB).is_public(ALPINE, LATEST)


@pytest.mark.parametrize("status", [401, 403])
def test_a_token_server_may_say_no_too(
    registry: FakeUpstream, connect: Connect, status: int
) -> None:
    _tokens(registry)
    registry.misbehave(Fault(status=status), path="/token")

    assert not connect(registry, **BOB).is_public(ALPINE, LATEST)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault(status=500), ServerFailed),
        (Fault(status=429), RateLimited),
        (Fault(status=400), BadAnswer),
        (Fault(cut_after=-1), Unreachable),
        (Fault(status=200, headers={"Content-Type": "text/html"}), BadAnswer),
    ],
)
def test_trouble_says_nothing(
    registry: FakeUpstream, connect: Connect, fault: Fault, error: type[UpstreamError]
) -> None:
    registry.misbehave(fault, path="/manifests/")

    with pytest.raises(error):
        connect(registry).is_public(ALPINE, LATEST)


@pytest.mark.parametrize("status", [405, 501])
def test_without_a_head_there_is_a_get(
    registry: FakeUpstream, connect: Connect, status: int
) -> None:
    _tokens(registry)
    registry.misbehave(Fault(status=status), method="HEAD")
    upstream = connect(registry, **BOB)

    assert upstream.is_public(ALPINE, LATEST)
    assert not upstream.is_public(SECRET, LATEST)
    assert all(seen.header("authorization") is None for seen in registry.seen(path="/token"))


def test_who_shows_a_certificate_is_not_anybody(
    registry: FakeUpstream, connect: Connect, tmp_path: Path
) -> None:
    known = {"client_certificate": tmp_path / "a.pem", "client_key": tmp_path / "a.key"}

    assert not connect(registry, **known).is_public(ALPINE, LATEST)
    assert registry.count() == 0


def test_a_helper_is_not_asked(registry: FakeUpstream, connect: Connect) -> None:
    _tokens(registry)

    assert connect(registry, helper=Helper("/nowhere", "x")).is_public(ALPINE, LATEST)
