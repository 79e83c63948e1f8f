"""SIGHUP: the configuration is read again, and nothing that is under way feels it."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
import yaml

from cache.oci.digest import Digest
from tests.e2e.processes import eventually
from tests.fakes.faults import Fault, Gate
from tests.fakes.plain import NO_AUTHORITY
from tests.fakes.upstream import FakeUpstream
from tests.faults.clients import Client, Scene, pull, scene, whole_log

READ = "The configuration was read again"
REFUSED = "The configuration was not read again"


@pytest.fixture(scope="module")
def only_house() -> Iterator[Scene]:
    with scene(REGISTRY_LOG_ACCESSLOG_DISABLED="true") as house:
        yield house


@pytest.fixture
def house(only_house: Scene) -> Scene:
    """The mirror, with nothing in its configuration."""
    only_house.upstream.reset()
    reload(only_house, {})
    return only_house


@pytest.fixture
def other() -> Iterator[FakeUpstream]:
    with FakeUpstream("127.0.0.2") as other:
        yield other


def write(house: Scene, config: object) -> None:
    text = config if isinstance(config, str) else yaml.safe_dump(config)
    (house.mirror.root.parent / "config.yml").write_text(text)


@contextmanager
def told(house: Scene) -> Iterator[list[str]]:
    """The lines that come while the block runs, filled in at its end."""
    lines: list[str] = []
    before = len(whole_log(house.mirror))
    yield lines
    lines += whole_log(house.mirror)[before:].splitlines()


def reload(house: Scene, config: object, says: str = READ) -> None:
    """Have the configuration be this one, and return when the parent has said what it makes of it.

    Workers follow by themselves, a moment later.
    """
    before = whole_log(house.mirror).count(says)
    write(house, config)
    os.kill(house.mirror.pid, signal.SIGHUP)
    eventually(lambda: whole_log(house.mirror).count(says) > before, f"it says: {says}")


def status(house: Scene, path: str) -> int:
    return httpx.get(
        f"{house.mirror.url}{path}", timeout=30, trust_env=False, verify=NO_AUTHORITY
    ).status_code


def sites(house: Scene) -> set[Any]:
    """What the workers say in the header that the tests set."""
    url = f"{house.mirror.url}/v2/"
    return {
        httpx.get(url, trust_env=False, verify=NO_AUTHORITY).headers.get("X-Site")
        for _ in range(20)
    }


def cookies_for_tls(house: Scene) -> set[bool]:
    """Whether the workers' cookies are for TLS only when somebody says that they came over it."""
    url, told = f"{house.mirror.url}/dashboard/login/", {"X-Forwarded-Proto": "https"}
    answers = (
        httpx.get(url, headers=told, trust_env=False, verify=NO_AUTHORITY) for _ in range(10)
    )
    return {"Secure" in answer.headers["Set-Cookie"] for answer in answers}


def everywhere(house: Scene, path: str, wanted: int) -> bool:
    """Whether that is the answer again and again, whichever worker gives it."""
    return all(status(house, path) == wanted for _ in range(20))


def test_a_transfer_and_its_fill_go_on(house: Scene) -> None:
    path, data = house.blob("library/slow", 4_000_000)
    held, held_data = house.held_blob("library/held", 64_000_000)
    stall = Gate()
    house.upstream.misbehave(Fault(stall=stall, stall_at=2_000_000), path="library/slow")
    workers = set(house.mirror.workers())
    with Client(house.mirror) as filling, Client(house.mirror, 4096) as sending:
        sending.ask(held, "Connection: close")
        sending.head()
        filling.ask(path, "Connection: close")
        filling.head()
        stall.wait_until_reached()

        for level in ("debug", "info"):
            reload(house, {"log": {"level": level}, "http": {"headers": {"X-Site": [level]}}})
        stall.open()

        assert filling.rest() == data
        assert sending.rest() == held_data
    assert set(house.mirror.workers()) == workers
    assert house.upstream.count("GET", "library/slow/blobs") == 1


def test_a_transfer_outlives_its_upstream(house: Scene, other: FakeUpstream) -> None:
    """Also when the connection breaks, and has to be made again to who is configured no more."""
    reload(house, {"upstreams": {"old.example": {"remoteurl": other.url}}})
    data = os.urandom(4_000_000)
    digest = other.add_blob("library/big", data)
    path = f"/v2/library/big/blobs/{digest}?ns=old.example"
    # Not of the blob itself: while it arrives, an answer would end with it only.
    nothing = path.replace(str(digest), "x")
    eventually(lambda: everywhere(house, nothing, 400), "it is an upstream")
    stall = Gate()
    other.misbehave(Fault(stall=stall, stall_at=2_000_000, cut_after=2_500_000), times=1)
    with Client(house.mirror) as client:
        client.ask(path, "Connection: close")
        client.head()
        stall.wait_until_reached()

        reload(house, {})
        eventually(lambda: everywhere(house, nothing, 404), "nobody can name it any more")
        stall.open()

        assert client.rest() == data
    assert other.count("GET", "library/big/blobs") == 2


def test_a_new_upstream_is_served(house: Scene, other: FakeUpstream) -> None:
    other.add_image("team/app", "v1")
    path = "/v2/team/app/manifests/v1?ns=new.example"
    assert status(house, path) == 404

    reload(house, {"upstreams": {"new.example": {"remoteurl": other.url}}})

    eventually(lambda: everywhere(house, path, 200), "all workers have it")
    assert "changed: upstreams" in whole_log(house.mirror)


def test_new_credentials_are_used(house: Scene, other: FakeUpstream) -> None:
    service = other.require_bearer()
    service.users = {"mirror": "right"}
    service.private = frozenset({"team/hidden"})
    image = other.add_image("team/hidden", "v1", [b"hidden"])
    settings = {"remoteurl": other.url, "username": "mirror", "password": "wrong"}
    reload(house, {"upstreams": {"new.example": settings}})
    house.mirror.manage("visibility", "set", "public", "team/hidden", "--upstream", "new.example")
    path = f"/v2/team/hidden/manifests/{image.digest}?ns=new.example"
    eventually(lambda: everywhere(house, path, 403), "its token server refuses it")

    reload(house, {"upstreams": {"new.example": {**settings, "password": "right"}}})

    eventually(lambda: everywhere(house, path, 200), "all workers sign in")
    assert "right" not in whole_log(house.mirror)


def test_retention_is_in_force_at_once(house: Scene) -> None:
    paths = [house.held_blob(f"library/b{number}", 3_000_000)[0] for number in range(3)]
    files = [house.mirror.root.glob(f"blobs/*/*/{path.rpartition(':')[2]}") for path in paths]
    assert all(list(found) for found in files)

    reload(house, {"retention": {"max_size": "4MiB"}})

    def held() -> int:
        return sum(path.stat().st_size for path in house.mirror.root.glob("blobs/*/*/*"))

    eventually(lambda: held() <= 4 * 1024 * 1024, "the store is as small as it is to be")


def test_content_that_is_to_be_kept_no_longer_goes_at_once(house: Scene) -> None:
    path = house.held_blob("library/short-lived", 1000)[0]

    def is_gone() -> bool:
        reload(house, {"proxy": {"ttl": "1s"}})
        return not any(house.mirror.root.glob(f"blobs/*/*/{path.rpartition(':')[2]}"))

    eventually(is_gone, "a run of the janitor has come by")


def test_another_proxy_is_believed_at_the_dashboard(house: Scene) -> None:
    assert cookies_for_tls(house) == {False}

    reload(house, {"http": {"trusted_proxies": ["127.0.0.1"]}})
    eventually(lambda: cookies_for_tls(house) == {True}, "all workers believe it")

    reload(house, {})
    eventually(lambda: cookies_for_tls(house) == {False}, "none does any more")


def test_levels_and_form_of_the_log_are_others(house: Scene) -> None:
    reload(house, {"log": {"formatter": "json", "fields": {"site": "north"}}})
    eventually(lambda: _tells_in_json(house), "the workers tell in JSON")

    reload(house, {"log": {"level": "error"}}, says="Handling signal: hup")
    eventually(lambda: _is_silent(house), "nothing is said any more")


def _tells_in_json(house: Scene) -> bool:
    with told(house) as lines:
        house.held_blob(f"library/told-{len(whole_log(house.mirror))}", 1000)
    records = [json.loads(line) for line in lines if line.startswith("{")]
    return [one["site"] for one in records if "is fetched for" in one["msg"]] == ["north"]


def _is_silent(house: Scene) -> bool:
    before = whole_log(house.mirror)
    house.held_blob(f"library/untold-{len(before)}", 1000)
    return whole_log(house.mirror) == before


def test_a_worker_that_comes_later_has_it_too(house: Scene, other: FakeUpstream) -> None:
    other.add_image("team/app", "v1")
    reload(house, {"upstreams": {"new.example": {"remoteurl": other.url}}})

    workers = house.mirror.workers()
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: len(set(house.mirror.workers()) - set(workers)) == 2, "there are new ones")

    path = "/v2/team/app/manifests/v1?ns=new.example"
    eventually(lambda: status(house, "/v2/") == 200, "they serve")
    assert everywhere(house, path, 200)


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ("log: {level: loud}\n", "log.level"),
        ("proxy: [", "line 1"),
        ("retention: {max_size: 1}\naccess: {anonymous: x}\n", "access.anonymous"),
    ],
)
def test_a_mistake_changes_nothing(house: Scene, config: str, says: str) -> None:
    reload(house, {"http": {"headers": {"X-Site": ["north"]}}})
    eventually(lambda: sites(house) == {"north"}, "it is in force")
    workers = set(house.mirror.workers())

    with told(house) as lines:
        reload(house, config, REFUSED)

    (line,) = (line for line in lines if REFUSED in line)
    assert "level=error" in line
    assert says in line
    assert set(house.mirror.workers()) == workers
    assert sites(house) == {"north"}


def test_a_file_that_is_gone_changes_nothing(house: Scene) -> None:
    (house.mirror.root.parent / "config.yml").unlink()
    before = len(whole_log(house.mirror))
    os.kill(house.mirror.pid, signal.SIGHUP)
    eventually(lambda: REFUSED in whole_log(house.mirror)[before:], "it is told")

    assert "no readable file" in whole_log(house.mirror)[before:]
    assert status(house, "/v2/") == 200


def test_what_takes_a_restart_is_told(house: Scene) -> None:
    with told(house) as lines:
        reload(house, {"http": {"idle_timeout": "5s"}, "storage": {"scrub": {"interval": "1h"}}})
        eventually(lambda: "http.idle_timeout is another" in whole_log(house.mirror), "it warns")

    warned = [line for line in lines if "takes a restart" in line]
    assert ["level=warning" in line for line in warned] == [True, True]
    assert "storage.scrub is another one now" in warned[0]
    assert "http.idle_timeout is another one now" in warned[1]


def test_many_signals_harm_nothing(house: Scene) -> None:
    path, data = house.held_blob("library/calm", 200_000)
    before = whole_log(house.mirror).count(READ)
    for number in range(30):
        write(house, {"http": {"headers": {"X-Site": [str(number)]}}})
        os.kill(house.mirror.pid, signal.SIGHUP)
        assert pull(house.mirror, path) == data
    eventually(lambda: whole_log(house.mirror).count(READ) > before, "one was heard")
    reload(house, {"http": {"headers": {"X-Site": ["last"]}}})

    eventually(lambda: sites(house) == {"last"}, "the last one counts")
    assert "Traceback" not in whole_log(house.mirror)


def test_a_worker_that_is_told_alone_follows(house: Scene) -> None:
    """A terminal that is closed tells all of its processes."""
    write(house, {"http": {"headers": {"X-Site": ["south"]}}})
    workers = house.mirror.workers()
    for pid in workers:
        os.kill(pid, signal.SIGHUP)

    eventually(lambda: sites(house) == {"south"}, "they follow")
    assert set(house.mirror.workers()) == set(workers)


def test_the_digest_is_checked_all_the_same(house: Scene) -> None:
    """A fill that went on over a reload is verified as any other."""
    path, data = house.blob("library/verified", 2_000_000)
    stall = Gate()
    fault = Fault(stall=stall, stall_at=1_000_000, wrong_byte_at=1_500_000)
    house.upstream.misbehave(fault, path="library/verified")
    with Client(house.mirror) as client:
        client.ask(path, "Connection: close")
        client.head()
        stall.wait_until_reached()
        reload(house, {"log": {"level": "info"}, "retention": {"part_ttl": "1h"}})
        stall.open()
        assert len(client.rest()) < len(data)
    assert not list(house.mirror.root.glob(f"blobs/*/*/{Digest.of(data).hex}"))
