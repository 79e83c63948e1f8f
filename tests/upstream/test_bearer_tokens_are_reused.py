from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest

from cache.upstream.errors import Denied, ServerFailed
from cache.upstream.tokens import Token, TokenCache, TokenKey
from tests.fakes.authentication import TokenService
from tests.fakes.faults import Fault, Gate
from tests.fakes.upstream import FakeUpstream
from tests.upstream.conftest import Connect
from tests.upstream.names import ALPINE, LATEST, SECRET


@dataclass
class Clock:
    """Seconds that the test moves; counts who looks."""

    seconds: float = 1000.0
    looks: Gate = field(default_factory=Gate)

    def __call__(self) -> float:
        self.looks.open()
        self.looks.pass_through()
        return self.seconds


def test_one_challenge_and_one_token_serve_many_requests(
    registry: FakeUpstream, connect: Connect
) -> None:
    image = registry.add_image("library/alpine", "latest")
    registry.require_bearer()
    upstream = connect(registry)

    for _ in range(3):
        upstream.head_manifest(ALPINE, LATEST)
        upstream.get_manifest(ALPINE, image.digest)

    assert registry.count(path="/token") == 1
    assert registry.count(path="/v2/") == 1 + 6
    (asked,) = registry.seen(path="/token")
    assert asked.query == "service=fake.registry&scope=repository%3Alibrary%2Falpine%3Apull"


def test_each_repository_has_its_own_token_and_the_challenge_is_remembered(
    registry: FakeUpstream, connect: Connect
) -> None:
    registry.add_image("library/alpine", "latest")
    registry.add_image("acme/secret", "latest")
    registry.require_bearer()
    upstream = connect(registry)

    upstream.head_manifest(ALPINE, LATEST)
    upstream.head_manifest(SECRET, LATEST)

    assert registry.count(path="/token") == 2
    assert registry.count(path="/v2/acme/secret/") == 1


def test_many_who_need_a_token_at_once_share_one_request(
    registry: FakeUpstream, connect: Connect
) -> None:
    registry.add_image("library/alpine", "latest")
    registry.require_bearer()
    gate = Gate()
    registry.misbehave(Fault(hold=gate), path="/token")
    everyone_was_challenged = Gate()
    registry.misbehave(Fault(hold=everyone_was_challenged), path="/manifests/", times=8)
    upstream = connect(registry)

    with ThreadPoolExecutor(8) as pool:
        heads = [pool.submit(upstream.head_manifest, ALPINE, LATEST) for _ in range(8)]
        everyone_was_challenged.wait_until_reached(8)
        everyone_was_challenged.open()
        gate.wait_until_reached()
        gate.open()
        assert len({head.result().digest for head in heads}) == 1

    assert registry.count(path="/token") == 1


def test_those_who_wait_for_a_token_share_its_failure(
    registry: FakeUpstream, connect: Connect
) -> None:
    # given a token that has run out, and a token server that fails only after a while
    registry.add_image("library/alpine", "latest")
    registry.require_bearer()
    clock = Clock()
    upstream = connect(registry, clock=clock)
    upstream.head_manifest(ALPINE, LATEST)
    clock.seconds += 1000
    gate = Gate()
    registry.misbehave(Fault(status=503, hold=gate), path="/token", times=1)

    # when one fetches and three more have looked at the old token meanwhile
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(upstream.head_manifest, ALPINE, LATEST)
        gate.wait_until_reached()
        looks = clock.looks.arrived
        others = [pool.submit(upstream.head_manifest, ALPINE, LATEST) for _ in range(3)]
        clock.looks.wait_until_reached(looks + 3)
        gate.open()
        failures = [head.exception() for head in (first, *others)]

    # then all know, and the next one tries again
    assert [type(failure) for failure in failures] == [ServerFailed] * 4
    upstream.head_manifest(ALPINE, LATEST)
    assert registry.count(path="/token") == 3


@pytest.mark.parametrize(
    ("expires_in", "still_used_after", "renewed_after"),
    [(300, 269, 271), (100, 89, 91), (None, 49, 51), (5, 49, 51), (10**9, 38_000, 43_201)],
)
def test_a_token_is_renewed_shortly_before_it_ends(
    registry: FakeUpstream,
    connect: Connect,
    expires_in: int | None,
    still_used_after: int,
    renewed_after: int,
) -> None:
    registry.add_image("library/alpine", "latest")
    registry.require_bearer(TokenService(expires_in=expires_in))
    clock = Clock()
    upstream = connect(registry, clock=clock)
    upstream.head_manifest(ALPINE, LATEST)
    start = clock.seconds

    clock.seconds = start + still_used_after
    upstream.head_manifest(ALPINE, LATEST)
    assert registry.count(path="/token") == 1

    clock.seconds = start + renewed_after
    upstream.head_manifest(ALPINE, LATEST)
    assert registry.count(path="/token") == 2
    assert registry.count(path="/v2/") == 4


def test_a_token_that_is_refused_is_renewed_once(registry: FakeUpstream, connect: Connect) -> None:
    registry.add_image("library/alpine", "latest")
    service = registry.require_bearer()
    upstream = connect(registry)
    upstream.head_manifest(ALPINE, LATEST)

    service.revoke_all()
    upstream.head_manifest(ALPINE, LATEST)

    assert registry.count(path="/token") == 2


def test_a_fresh_token_that_is_refused_is_a_denial(
    registry: FakeUpstream, connect: Connect
) -> None:
    registry.add_image("acme/secret", "latest")
    registry.require_bearer(TokenService(private=frozenset({"acme/secret"})))
    upstream = connect(registry)

    with pytest.raises(Denied) as denied:
        upstream.head_manifest(SECRET, LATEST)

    assert denied.value.unauthenticated
    assert registry.count(path="/token") == 1
    assert registry.count("HEAD") == 2


def test_the_field_may_be_called_access_token(registry: FakeUpstream, connect: Connect) -> None:
    registry.add_image("library/alpine", "latest")
    registry.require_bearer(TokenService(field_name="access_token"))

    assert connect(registry).head_manifest(ALPINE, LATEST).digest is not None


def _key(scope: str | None = None) -> TokenKey:
    return TokenKey("http://registry", "http://realm", None, scope, "")


def test_only_the_token_that_was_refused_is_renewed() -> None:
    cache = TokenCache(Clock())
    cache.get(_key(), lambda: Token("new", 300))

    assert cache.get(_key(), lambda: Token("newer", 300), refused="old") == "new"
    assert cache.get(_key(), lambda: Token("newer", 300), refused="new") == "newer"


def test_a_clock_that_was_set_back_renews_a_token() -> None:
    clock = Clock()
    cache = TokenCache(clock)
    cache.get(_key(), lambda: Token("first", 300))

    clock.seconds -= 1

    assert cache.get(_key(), lambda: Token("second", 300)) == "second"


def test_the_least_recently_used_token_goes_first() -> None:
    fetched: list[str] = []

    def ask(scope: str) -> None:
        def fetch() -> Token:
            fetched.append(scope)
            return Token("value", 300)

        cache.get(_key(scope), fetch)

    cache = TokenCache(Clock(), capacity=2)

    for scope in ("a", "b", "a", "c", "a", "b"):
        ask(scope)

    assert fetched == ["a", "b", "c", "b"]
