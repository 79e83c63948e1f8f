"""The counting proxy changes nothing, forgets nothing, holds where told and can be off."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.client import HTTPConnection

import pytest

from tests.e2e.counting import CountingProxy
from tests.e2e.images import noise
from tests.e2e.raw import Download
from tests.fakes.upstream import FakeUpstream

BODY = noise(300_000, "counted")


@pytest.fixture
def behind() -> Iterator[FakeUpstream]:
    with FakeUpstream() as upstream:
        yield upstream


@pytest.fixture
def proxy(behind: FakeUpstream) -> Iterator[CountingProxy]:
    with CountingProxy(behind.url) as proxy:
        yield proxy


def test_it_passes_everything_on(behind: FakeUpstream, proxy: CountingProxy) -> None:
    digest = behind.add_blob("some/name", BODY)

    with Download(_address(proxy), "some/name", digest) as download:
        assert download.read_all() == str(digest)

    (asked,) = behind.requests
    (counted,) = proxy.seen("GET")
    assert (counted.target, dict(counted.headers)) == (asked.target, dict(asked.headers))
    assert (counted.status, counted.body_bytes) == (200, len(BODY))
    assert proxy.gets("some/name") == [f"blobs/{digest}"]
    assert proxy.gets("some") == []
    proxy.forget()
    assert proxy.seen("GET") == []


def test_it_holds_one_answer_at_a_byte(behind: FakeUpstream, proxy: CountingProxy) -> None:
    digest = behind.add_blob("held", BODY)
    gate = proxy.hold(f"/blobs/{digest}", after=100_001)
    with Download(_address(proxy), "held", digest) as held:
        gate.wait_until_reached()
        assert [exchange.body_bytes for exchange in proxy.seen("GET")] == [100_001]

        with Download(_address(proxy), "held", digest) as later:
            assert later.read_all() == str(digest)

        rest: list[str] = []
        reading = threading.Thread(target=lambda: rest.append(held.read_all()))
        reading.start()
        gate.open()
        reading.join()
    assert rest == [str(digest)]


def test_off_it_refuses_and_on_again_it_serves(behind: FakeUpstream, proxy: CountingProxy) -> None:
    digest = behind.add_blob("switched", BODY)

    with proxy.switched_off():
        connection = HTTPConnection(_address(proxy), timeout=5)
        with pytest.raises(ConnectionRefusedError):
            connection.request("GET", "/v2/")

    with Download(_address(proxy), "switched", digest) as download:
        assert download.read_all() == str(digest)


def _address(proxy: CountingProxy) -> str:
    return proxy.url.removeprefix("http://")
