from __future__ import annotations

import pytest

from cache.upstream.errors import Denied
from tests.fakes.faults import Fault
from tests.fakes.upstream import FakeUpstream
from tests.upstream.conftest import Connect
from tests.upstream.names import ALPINE, LATEST


def test_the_password_is_not_offered_unasked(registry: FakeUpstream, connect: Connect) -> None:
    registry.add_image("library/alpine", "latest")

    connect(registry, username="bob", password="pw").head_manifest(ALPINE, LATEST)

    assert [seen.header("authorization") for seen in registry.requests] == [None]


def test_one_challenge_is_enough(registry: FakeUpstream, connect: Connect) -> None:
    registry.add_image("library/alpine", "latest")
    registry.require_basic({"bob": "p\u00e4:ss"})
    upstream = connect(registry, username="bob", password="p\u00e4:ss")

    upstream.ping()
    upstream.head_manifest(ALPINE, LATEST)

    assert registry.count() == 3


def test_a_wrong_password_is_tried_once(registry: FakeUpstream, connect: Connect) -> None:
    registry.require_basic({"bob": "pw"})
    upstream = connect(registry, username="bob", password="wrong")

    with pytest.raises(Denied) as first:
        upstream.head_manifest(ALPINE, LATEST)
    assert registry.count() == 2
    with pytest.raises(Denied, match="refused the configured user name"):
        upstream.head_manifest(ALPINE, LATEST)
    assert registry.count() == 3

    assert first.value.unauthenticated


def test_without_a_password_the_answer_is_no(registry: FakeUpstream, connect: Connect) -> None:
    registry.require_basic({"bob": "pw"})

    with pytest.raises(Denied, match="none is configured") as denied:
        connect(registry).get_manifest(ALPINE, LATEST)

    assert denied.value.unauthenticated
    assert registry.count() == 1


def test_a_password_that_is_good_but_not_for_this_is_a_denial(
    registry: FakeUpstream, connect: Connect
) -> None:
    registry.require_basic({"bob": "pw"})
    registry.misbehave(Fault(status=403), path="/manifests/")

    with pytest.raises(Denied) as denied:
        connect(registry, username="bob", password="pw").get_manifest(ALPINE, LATEST)

    assert not denied.value.unauthenticated


@pytest.mark.parametrize("challenges", [[], ["Negotiate"], ["Digest realm=x"], ["=;=", '"']])
def test_what_cannot_be_answered_is_a_denial(
    registry: FakeUpstream, connect: Connect, challenges: list[str]
) -> None:
    headers = {"WWW-Authenticate": ", ".join(challenges)} if challenges else {}
    registry.misbehave(Fault(status=401, headers=headers))

    with pytest.raises(Denied) as denied:
        connect(registry, username="bob", password="pw").head_manifest(ALPINE, LATEST)

    assert denied.value.unauthenticated


def test_an_upstream_that_changes_its_mind_is_followed(
    registry: FakeUpstream, connect: Connect
) -> None:
    registry.add_image("library/alpine", "latest")
    upstream = connect(registry, username="bob", password="pw")
    registry.require_basic({"bob": "pw"})
    upstream.head_manifest(ALPINE, LATEST)

    registry.require_bearer()
    registry.token_service.users = {"bob": "pw"}  # type: ignore[union-attr]

    assert upstream.head_manifest(ALPINE, LATEST).digest is not None
