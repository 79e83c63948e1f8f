"""What upstream says of our quota is known to all workers, as far as it makes sense."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cache.memory import Memory
from cache.upstream.quota import Quota
from tests.fakes.clock import Clock
from tests.fakes.upstream import FakeUpstream
from tests.upstream.conftest import Connect
from tests.upstream.names import ALPINE, LATEST

NOW = 1_700_000_000.0
SIX_HOURS = 21_600


def hub(remaining: int | str, source: str = "192.0.2.7") -> Mapping[str, str]:
    return {
        "ratelimit-limit": "100;w=21600",
        "ratelimit-remaining": f"{remaining};w=21600",
        "docker-ratelimit-source": source,
    }


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


@pytest.fixture
def memory(tmp_path: Path) -> Memory:
    return another_workers(tmp_path)


def another_workers(folder: Path) -> Memory:
    """What another process has of the same records."""
    return Memory(folder / "memory", lambda _key, _timeout: nullcontext(True))


@pytest.fixture
def clock() -> Clock:
    return Clock(NOW)


@pytest.fixture
def image(registry: FakeUpstream) -> None:
    registry.add_image("library/alpine", "latest")


@pytest.mark.usefixtures("image")
def test_hubs_headers(registry: FakeUpstream, connect: Connect, clock: Clock) -> None:
    upstream = connect(registry, clock=clock)
    assert upstream.quota() == Quota()
    registry.manifest_headers = hub(76)

    upstream.head_manifest(ALPINE, LATEST)

    assert upstream.quota() == Quota(100, 76, at(NOW + SIX_HOURS), "192.0.2.7")


@pytest.mark.usefixtures("image")
def test_other_workers_and_a_later_start_know_it_too(
    registry: FakeUpstream, connect: Connect, memory: Memory, clock: Clock, tmp_path: Path
) -> None:
    registry.manifest_headers = hub(76)
    other = connect(registry, another_workers(tmp_path), clock=clock)
    assert other.quota().remaining is None

    connect(registry, memory, clock=clock).get_manifest(ALPINE, LATEST)

    assert other.quota().remaining == 76
    clock.seconds += 60
    later = connect(registry, another_workers(tmp_path), clock=clock)
    assert later.quota() == Quota(100, 76, at(NOW + SIX_HOURS), "192.0.2.7")


@pytest.mark.usefixtures("image")
def test_each_identity_has_a_quota_of_its_own(
    registry: FakeUpstream, connect: Connect, memory: Memory, tmp_path: Path
) -> None:
    registry.manifest_headers = hub(3)
    connect(registry, memory).head_manifest(ALPINE, LATEST)

    signed_in = connect(registry, memory, username="olivia", password="secret")
    assert signed_in.quota() == Quota()
    registry.manifest_headers = hub(80)
    signed_in.head_manifest(ALPINE, LATEST)

    assert connect(registry, memory).quota().remaining == 3
    assert connect(registry, memory, username="olivia", password="new").quota().remaining == 80
    for file in (tmp_path / "memory").iterdir():
        assert "olivia" not in file.name + file.read_text()


@pytest.mark.usefixtures("image")
def test_nothing_is_written_while_nothing_changes(
    registry: FakeUpstream, connect: Connect, memory: Memory, clock: Clock, tmp_path: Path
) -> None:
    registry.manifest_headers = hub(76)
    upstream = connect(registry, memory, clock=clock)
    upstream.head_manifest(ALPINE, LATEST)
    written = {file: file.stat().st_mtime_ns for file in (tmp_path / "memory").iterdir()}

    for _ in range(3):
        clock.seconds += 100
        upstream.head_manifest(ALPINE, LATEST)

    assert written
    assert written == {file: file.stat().st_mtime_ns for file in (tmp_path / "memory").iterdir()}


@pytest.mark.usefixtures("image")
def test_the_window_began_with_the_first_answer(
    registry: FakeUpstream, connect: Connect, clock: Clock
) -> None:
    upstream = connect(registry, clock=clock)
    seen = []
    for remaining, later in ((76, 0), (75, 3600), (70, 3600), (99, 3600), (98, 60)):
        clock.seconds += later
        registry.manifest_headers = hub(remaining)
        upstream.get_manifest(ALPINE, LATEST)
        seen.append(upstream.quota().renews_at)

    renewed = NOW + 3 * 3600
    assert seen == [at(NOW + SIX_HOURS)] * 3 + [at(renewed + SIX_HOURS)] * 2


@pytest.mark.usefixtures("image")
@pytest.mark.parametrize("jump", [SIX_HOURS, 10 * SIX_HOURS, -60, -10 * SIX_HOURS])
def test_old_numbers_and_those_from_the_future_say_nothing(
    registry: FakeUpstream, connect: Connect, clock: Clock, jump: int
) -> None:
    registry.manifest_headers = hub(0)
    upstream = connect(registry, clock=clock)
    upstream.get_manifest(ALPINE, LATEST)

    clock.seconds += jump

    assert upstream.quota() == Quota(limit=100, source="192.0.2.7")
    upstream.get_manifest(ALPINE, LATEST)
    assert upstream.quota().remaining == 0


@pytest.mark.usefixtures("image")
@pytest.mark.parametrize(
    ("headers", "limit", "remaining", "window"),
    [
        ({"ratelimit-limit": "100", "ratelimit-remaining": "9"}, 100, 9, 60),
        ({"ratelimit-limit": "100;w=60", "ratelimit-remaining": " 9 "}, 100, 9, 60),
        ({"ratelimit-remaining": '9 ; x="y" ; w=30'}, None, 9, 30),
        ({"ratelimit-limit": "5, 5;w=1", "ratelimit-remaining": "4;w=1, 50;w=60"}, 5, 4, 1),
        ({"ratelimit-remaining": "9;w=999999999"}, None, 9, 86_400),
        ({"ratelimit-remaining": "9;w=0"}, None, 9, 60),
        ({"ratelimit-remaining": "9;w=soon"}, None, 9, 60),
        ({"ratelimit-remaining": "9;w=99999999999999999999"}, None, 9, 60),
        ({"ratelimit-limit": "many", "ratelimit-remaining": "9"}, None, 9, 60),
    ],
)
def test_what_can_be_read_is(
    registry: FakeUpstream,
    connect: Connect,
    clock: Clock,
    headers: Mapping[str, str],
    limit: int | None,
    remaining: int,
    window: int,
) -> None:
    registry.manifest_headers = headers
    upstream = connect(registry, clock=clock)

    upstream.head_manifest(ALPINE, LATEST)

    assert upstream.quota() == Quota(limit, remaining, at(NOW + window))


@pytest.mark.usefixtures("image")
@pytest.mark.parametrize(
    "remaining", ["", "-1", "1e3", "0x10", "many", "9" * 30, "1" + ";x" * 200, "\u0663", "101"]
)
def test_nonsense_is_ignored(
    registry: FakeUpstream, connect: Connect, memory: Memory, remaining: str, tmp_path: Path
) -> None:
    written = remaining.encode().decode("latin-1")
    registry.manifest_headers = {"ratelimit-limit": "100", "ratelimit-remaining": written}
    upstream = connect(registry, memory)

    upstream.head_manifest(ALPINE, LATEST)

    assert upstream.quota() == Quota()
    assert not (tmp_path / "memory").exists()


@pytest.mark.usefixtures("image")
def test_a_source_too_long_to_be_one_is_ignored(registry: FakeUpstream, connect: Connect) -> None:
    registry.manifest_headers = hub(5, source="a" * 65)
    upstream = connect(registry)

    upstream.head_manifest(ALPINE, LATEST)

    assert (upstream.quota().remaining, upstream.quota().source) == (5, None)


@pytest.mark.usefixtures("image")
@pytest.mark.parametrize(
    "damage",
    [
        '{"remaining": "0", "since": 1}',
        '{"remaining": 0, "since": "soon", "ends": 9e9}',
        '{"remaining": 0, "since": 1, "ends": 1e300}',
        '{"remaining": -5, "since": 1, "ends": 9e9}',
        '{"remaining": true, "since": 1, "ends": NaN}',
        "[]",
        "{",
    ],
)
def test_a_damaged_record_is_none(
    registry: FakeUpstream, connect: Connect, memory: Memory, damage: str, tmp_path: Path
) -> None:
    registry.manifest_headers = hub(0)
    connect(registry, memory).get_manifest(ALPINE, LATEST)
    (record,) = (tmp_path / "memory").iterdir()

    record.write_text(damage)

    anew = connect(registry, another_workers(tmp_path))
    assert anew.quota() == Quota()
    assert anew.get_manifest(ALPINE, LATEST).body


def test_a_quota_is_below_a_share_only_if_that_is_known() -> None:
    assert Quota(limit=100, remaining=9).is_below(0.1)
    assert not Quota(limit=100, remaining=10).is_below(0.1)
    assert not Quota(limit=100, remaining=0).is_below(0.0)
    assert not Quota(limit=100).is_below(0.1)
    assert not Quota(remaining=0).is_below(0.1)
