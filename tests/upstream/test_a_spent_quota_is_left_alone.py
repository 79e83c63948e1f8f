"""Once upstream takes no more, nothing of that kind is sent before it takes some again."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cache.oci.digest import Digest
from cache.upstream.client import Upstream
from cache.upstream.errors import RateLimited
from cache.upstream.quota import Quota
from tests.fakes.clock import Clock
from tests.fakes.faults import Fault, Gate
from tests.fakes.upstream import FakeUpstream
from tests.upstream.conftest import Connect
from tests.upstream.names import ALPINE, LATEST, SECRET
from tests.upstream.test_the_quota_is_known import NOW, SIX_HOURS, another_workers, at, hub

FOR_A_MINUTE = Fault(status=429, headers={"Retry-After": "60"})
LAYER = Digest.of(b"layer")


@pytest.fixture
def registry(registry: FakeUpstream) -> FakeUpstream:
    registry.add_image("library/alpine", "latest", [b"layer"])
    registry.add_image("acme/secret", "latest", [b"layer"])
    return registry


@pytest.fixture
def clock() -> Clock:
    return Clock(NOW)


def refused(ask: Callable[[], object]) -> float | None:
    """The seconds that the refusal names."""
    with pytest.raises(RateLimited) as raised:
        ask()
    return raised.value.retry_after


def take_blob(upstream: Upstream) -> bytes:
    with upstream.open_blob(ALPINE, LAYER) as stream:
        return b"".join(stream.chunks)


def test_the_time_to_wait_is_counted_down(
    registry: FakeUpstream, connect: Connect, clock: Clock
) -> None:
    upstream = connect(registry, clock=clock)
    registry.misbehave(FOR_A_MINUTE, times=1)

    waits = []
    for later in (0, 20, 39):
        clock.seconds += later
        waits.append(refused(lambda: upstream.get_manifest(ALPINE, LATEST)))

    assert waits == [60, 40, 1]
    assert registry.count() == 1
    assert upstream.quota().held_until == at(NOW + 60)
    clock.seconds = NOW + 60
    assert upstream.get_manifest(ALPINE, LATEST).body


def test_no_manifest_and_no_list_of_any_repository_is_asked_for(
    registry: FakeUpstream, connect: Connect
) -> None:
    upstream = connect(registry)
    registry.misbehave(FOR_A_MINUTE, times=1)
    refused(lambda: upstream.head_manifest(ALPINE, LATEST))

    refused(lambda: upstream.head_manifest(SECRET, LATEST))
    refused(lambda: upstream.get_manifest(SECRET, LAYER))
    refused(lambda: upstream.list_tags(SECRET))
    refused(lambda: upstream.list_referrers(SECRET, LAYER))
    refused(upstream.ping)

    assert registry.count() == 1


def test_no_other_worker_asks_either_nor_one_that_starts_later(
    registry: FakeUpstream, connect: Connect, tmp_path: Path, clock: Clock
) -> None:
    first, other = (connect(registry, another_workers(tmp_path), clock=clock) for _ in range(2))
    registry.misbehave(FOR_A_MINUTE, times=1)
    refused(lambda: first.get_manifest(ALPINE, LATEST))

    clock.seconds += 10
    later = connect(registry, another_workers(tmp_path), clock=clock)

    assert refused(lambda: other.get_manifest(ALPINE, LATEST)) == 50
    assert refused(lambda: later.get_manifest(ALPINE, LATEST)) == 50
    assert registry.count() == 1


def test_another_user_is_not_to_blame(
    registry: FakeUpstream, connect: Connect, tmp_path: Path
) -> None:
    registry.misbehave(FOR_A_MINUTE, times=1)
    memory = another_workers(tmp_path)
    refused(lambda: connect(registry, memory).get_manifest(ALPINE, LATEST))

    signed_in = connect(registry, memory, username="olivia", password="secret")

    assert signed_in.get_manifest(ALPINE, LATEST).body


def test_the_last_one_is_not_followed_by_another(
    registry: FakeUpstream, connect: Connect, clock: Clock
) -> None:
    registry.manifest_headers = hub(0)
    upstream = connect(registry, clock=clock)
    assert upstream.get_manifest(ALPINE, LATEST).body

    clock.seconds += 100

    assert refused(lambda: upstream.get_manifest(ALPINE, LATEST)) == SIX_HOURS - 100
    assert refused(lambda: upstream.head_manifest(ALPINE, LATEST)) == SIX_HOURS - 100
    assert registry.count() == 1
    clock.seconds = NOW + SIX_HOURS
    assert upstream.get_manifest(ALPINE, LATEST).body


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 60),
        ({"Retry-After": "soon"}, 60),
        ({"Retry-After": "0"}, 1),
        ({"Retry-After": "999999999"}, 86_400),
        ({**hub(0), "Retry-After": "7200"}, 7200),
        (hub(0), SIX_HOURS),
        # Not the quota, then, but a limit that nobody names.
        (hub(40), 60),
    ],
)
def test_a_refusal_ends_when_it_says_or_else_soon(
    registry: FakeUpstream,
    connect: Connect,
    clock: Clock,
    headers: dict[str, str],
    seconds: int,
) -> None:
    upstream = connect(registry, clock=clock)
    registry.misbehave(Fault(status=429, headers=headers), times=1)

    refused(lambda: upstream.get_manifest(ALPINE, LATEST))

    clock.seconds += seconds - 0.5
    refused(lambda: upstream.get_manifest(ALPINE, LATEST))
    assert registry.count() == 1
    clock.seconds += 0.5
    assert upstream.get_manifest(ALPINE, LATEST).body


def test_an_image_whose_manifest_is_here_can_be_pulled_to_its_end(
    registry: FakeUpstream, connect: Connect
) -> None:
    registry.require_bearer()
    upstream = connect(registry)
    registry.misbehave(FOR_A_MINUTE, path="/manifests/")

    refused(lambda: upstream.get_manifest(ALPINE, LATEST))

    assert take_blob(upstream) == b"layer"
    assert upstream.head_blob(ALPINE, LAYER) == len(b"layer")


def test_who_counts_even_blobs_counts_everything(registry: FakeUpstream, connect: Connect) -> None:
    upstream = connect(registry)
    registry.misbehave(FOR_A_MINUTE, path="/blobs/")

    refused(lambda: take_blob(upstream))

    refused(lambda: take_blob(upstream))
    refused(lambda: upstream.head_blob(ALPINE, LAYER))
    refused(lambda: upstream.get_manifest(ALPINE, LATEST))
    assert registry.count() == 1


def test_a_refusal_of_the_storage_is_about_blobs_alone(
    registry: FakeUpstream, elsewhere: FakeUpstream, connect: Connect
) -> None:
    registry.redirect_blobs_to(elsewhere)
    elsewhere.misbehave(FOR_A_MINUTE)
    upstream = connect(registry)

    refused(lambda: take_blob(upstream))

    refused(lambda: take_blob(upstream))
    assert (registry.count(), elsewhere.count()) == (1, 1)
    assert upstream.get_manifest(ALPINE, LATEST).body


def test_a_refusal_of_the_token_server_is_about_tokens_alone(
    registry: FakeUpstream, connect: Connect
) -> None:
    registry.require_bearer()
    upstream = connect(registry)
    upstream.head_manifest(ALPINE, LATEST)
    registry.misbehave(FOR_A_MINUTE, path="/token")

    refused(lambda: upstream.head_manifest(SECRET, LATEST))

    refused(lambda: upstream.head_manifest(SECRET, LATEST))
    assert registry.count(path="/token") == 2
    assert upstream.get_manifest(ALPINE, LATEST).body


def test_an_answer_that_was_on_its_way_does_not_lift_a_refusal(
    registry: FakeUpstream, connect: Connect, tmp_path: Path
) -> None:
    registry.manifest_headers = hub(50)
    first, other = (connect(registry, another_workers(tmp_path)) for _ in range(2))
    registry.misbehave(FOR_A_MINUTE, path="/manifests/", times=1)
    refused(lambda: first.get_manifest(ALPINE, LATEST))

    # when a blob's answer tells better numbers
    registry.misbehave(Fault(headers=hub(49)), path="/blobs/")
    take_blob(other)

    refused(lambda: other.get_manifest(ALPINE, LATEST))
    assert registry.count(path="/manifests/") == 1


def test_a_shorter_refusal_that_comes_later_does_not_shorten_it(
    registry: FakeUpstream, connect: Connect, clock: Clock, tmp_path: Path
) -> None:
    # given a request that is on its way while another worker is told to wait for an hour
    first, other = (connect(registry, another_workers(tmp_path), clock=clock) for _ in range(2))
    gate = Gate()
    registry.misbehave(Fault(status=429, hold=gate), times=1)
    registry.misbehave(Fault(status=429, headers={"Retry-After": "3600"}), times=1)
    with ThreadPoolExecutor(1) as pool:
        on_its_way = pool.submit(refused, lambda: first.get_manifest(ALPINE, LATEST))
        gate.wait_until_reached()
        assert refused(lambda: other.get_manifest(ALPINE, LATEST)) == 3600

        # when that one is refused too, without a time
        gate.open()
        assert on_its_way.result() == 60

    # then the hour counts
    clock.seconds += 61
    assert refused(lambda: first.get_manifest(ALPINE, LATEST)) == 3600 - 61
    assert refused(lambda: other.get_manifest(ALPINE, LATEST)) == 3600 - 61


def test_the_numbers_of_the_storage_are_not_upstreams(
    registry: FakeUpstream, elsewhere: FakeUpstream, connect: Connect
) -> None:
    registry.redirect_blobs_to(elsewhere)
    elsewhere.misbehave(Fault(headers=hub(0)))
    upstream = connect(registry)

    assert take_blob(upstream) == b"layer"

    assert upstream.quota() == Quota()


@pytest.mark.parametrize("jump", [-SIX_HOURS, 365 * 86_400])
def test_a_clock_that_jumps_ends_a_refusal(
    registry: FakeUpstream, connect: Connect, clock: Clock, jump: int
) -> None:
    upstream = connect(registry, clock=clock)
    registry.misbehave(FOR_A_MINUTE, times=1)
    refused(lambda: upstream.get_manifest(ALPINE, LATEST))

    clock.seconds += jump

    assert upstream.get_manifest(ALPINE, LATEST).body
