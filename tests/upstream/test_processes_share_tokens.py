"""One token request for all processes; its token goes by way of files that nobody else can read."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from cache.memory import Memory
from cache.upstream.client import Endpoint, Upstream
from cache.upstream.errors import Denied
from cache.upstream.tokens import Token, TokenCache, TokenKey
from tests.fakes.authentication import TokenService
from tests.fakes.faults import Fault, Gate
from tests.fakes.upstream import FakeUpstream
from tests.upstream.names import ALPINE, LATEST, SECRET
from tests.upstream.sharing import ask_many_times, memory_in, processes

Join = Callable[..., Upstream]


@pytest.fixture
def now() -> list[float]:
    """The clock of all processes, in seconds since the epoch."""
    return [1_800_000_000.0]


@pytest.fixture
def join(registry: FakeUpstream, tmp_path: Path, now: list[float]) -> Iterator[Join]:
    """Makes one more process's client of the registry."""
    with ExitStack() as stack:

        def make(**settings: Any) -> Upstream:
            endpoint = Endpoint(registry.url, **settings)
            upstream = Upstream(endpoint, memory_in(tmp_path), clock=lambda: now[0])
            stack.callback(upstream.close)
            return upstream

        yield make


def test_two_processes_and_many_threads_send_one_token_request(
    registry: FakeUpstream, tmp_path: Path
) -> None:
    # given a registry that refuses all of both processes at once, so that all want a token
    image = registry.add_image("library/alpine", "latest")
    registry.require_bearer()
    refusals, tokens = Gate(), Gate()
    registry.misbehave(Fault(hold=refusals), method="HEAD")
    registry.misbehave(Fault(hold=tokens), path="/token")

    with processes(2) as pool:
        asked = [
            pool.submit(ask_many_times, tmp_path, registry.url, {}, "library/alpine", 5)
            for _ in range(2)
        ]
        registry.record.wait_for(lambda: registry.count("HEAD") >= 10)
        refusals.open()
        tokens.wait_until_reached()
        tokens.open()
        told = [each.result() for each in asked]

    assert told == [{str(image.digest)}] * 2
    assert registry.count(path="/token") == 1


def test_a_restart_needs_no_new_token(registry: FakeUpstream, join: Join, now: list[float]) -> None:
    registry.add_image("library/alpine", "latest")
    registry.require_bearer(TokenService(expires_in=300))
    join().head_manifest(ALPINE, LATEST)

    now[0] += 269
    join().head_manifest(ALPINE, LATEST)
    assert registry.count(path="/token") == 1

    now[0] += 2
    join().head_manifest(ALPINE, LATEST)
    assert registry.count(path="/token") == 2


def test_a_token_that_is_refused_is_renewed_once_for_all(
    registry: FakeUpstream, join: Join
) -> None:
    # given two processes with one token, which upstream has revoked
    registry.add_image("library/alpine", "latest")
    service = registry.require_bearer()
    one, other = join(), join()
    one.head_manifest(ALPINE, LATEST)
    other.head_manifest(ALPINE, LATEST)
    service.revoke_all()

    # when one has renewed it
    one.head_manifest(ALPINE, LATEST)
    assert registry.count(path="/token") == 2

    # then the other, which is refused too, uses that one
    other.head_manifest(ALPINE, LATEST)
    assert registry.count(path="/token") == 2


def test_who_we_are_tells_tokens_apart(registry: FakeUpstream, join: Join) -> None:
    registry.add_image("acme/secret", "latest")
    users = {"bob": "pw", "bot": "pw"}
    registry.require_bearer(TokenService(users=users, private=frozenset({"acme/secret"})))

    join(username="bob", password="pw").head_manifest(SECRET, LATEST)
    with pytest.raises(Denied):
        join().head_manifest(SECRET, LATEST)
    join(username="bot", password="pw").head_manifest(SECRET, LATEST)

    assert registry.count(path="/token") == 3


def test_another_scope_is_another_token(registry: FakeUpstream, join: Join) -> None:
    for name in ("library/alpine", "acme/secret"):
        registry.add_image(name, "latest")
    registry.require_bearer()

    join().head_manifest(ALPINE, LATEST)
    join().head_manifest(SECRET, LATEST)

    assert registry.count(path="/token") == 2


def test_nobody_else_can_read_them(registry: FakeUpstream, join: Join, tmp_path: Path) -> None:
    registry.add_image("library/alpine", "latest")
    service = registry.require_bearer()
    upstream = join()
    upstream.head_manifest(ALPINE, LATEST)

    (token,) = service._granted
    (record,) = (tmp_path / "memory").iterdir()
    assert token in record.read_text()
    assert record.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "memory").stat().st_mode & 0o777 == 0o700
    shown = [
        vars(upstream._ourselves.authenticator._tokens),
        vars(upstream._memory),
        upstream.endpoint,
        record.name,
    ]
    assert token not in repr(shown)


@pytest.mark.parametrize(
    "record",
    [
        b"",
        b"[]",
        b"\xff",
        b'{"token": 7, "since": 0.0, "until": 9e9}',
        b'{"token": "x", "since": "now", "until": 9e9}',
        b'{"token": "x", "since": 9e9, "until": 9e10}',
        b'{"token": "x", "since": 0.0, "until": 9e99}',
    ],
)
def test_a_record_that_is_none_is_no_token(
    registry: FakeUpstream, join: Join, tmp_path: Path, record: bytes
) -> None:
    registry.add_image("library/alpine", "latest")
    registry.require_bearer()
    join().head_manifest(ALPINE, LATEST)
    (file,) = (tmp_path / "memory").iterdir()
    file.write_bytes(record)

    join().head_manifest(ALPINE, LATEST)

    assert registry.count(path="/token") == 2


def test_without_a_place_for_them_everything_works(
    registry: FakeUpstream, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    # given a folder where neither a record nor a lock can be made
    registry.add_image("library/alpine", "latest")
    registry.require_bearer()
    (tmp_path / "file").touch()

    def no_lock(key: str, timeout: float) -> Any:
        raise OSError(28, "No space left on device")

    memory = Memory(tmp_path / "file" / "memory", no_lock)
    upstream = Upstream(Endpoint(registry.url), memory)

    for _ in range(2):
        upstream.head_manifest(ALPINE, LATEST)
    upstream.close()

    assert registry.count(path="/token") == 1
    (token,) = registry.token_service._granted  # type: ignore[union-attr]
    assert token not in caplog.text


def test_a_process_that_could_not_write_hears_of_the_others_again(tmp_path: Path) -> None:
    # given a record that could not be shared, the place being taken
    here, there = memory_in(tmp_path), memory_in(tmp_path)
    place = tmp_path / "memory"
    place.touch()
    here.write("key", {"from": "here"})
    assert here.read("key") == {"from": "here"}

    # when there is room, and another process writes
    place.unlink()
    there.write("key", {"from": "there"})

    assert here.read("key") == {"from": "there"}


def test_a_refused_token_in_memory_is_passed_over_and_replaced(tmp_path: Path) -> None:
    key = TokenKey("http://registry", "http://realm", None, None, "")
    first = TokenCache(lambda: 1000.0, memory_in(tmp_path))
    assert first.get(key, lambda: Token("old", 300)) == "old"

    late = TokenCache(lambda: 1000.0, memory_in(tmp_path))
    assert late.get(key, lambda: Token("wrong", 300)) == "old"
    assert late.get(key, lambda: Token("new", 300), refused="old") == "new"
    assert first.get(key, lambda: Token("wrong", 300), refused="old") == "new"


def test_a_token_in_flight_is_in_no_traceback(registry: FakeUpstream, join: Join) -> None:
    registry.require_bearer()
    registry.misbehave(Fault(status=403), method="HEAD", skip=1)

    with pytest.raises(Denied) as denied:
        join().head_manifest(ALPINE, LATEST)

    (token,) = registry.token_service._granted  # type: ignore[union-attr]
    assert token not in "".join(traceback.format_exception(denied.value))
