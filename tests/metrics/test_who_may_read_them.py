"""Metrics are shown where the operator said so, to whom the operator said, and nowhere else."""

from __future__ import annotations

import socket
from contextlib import ExitStack, closing

import httpx
import pytest

from cache.metrics import is_admitted
from tests.e2e.processes import free_port
from tests.e2e.workers import client_of_each_worker
from tests.fakes.faults import Fault, Gate
from tests.fakes.plain import NO_AUTHORITY
from tests.faults.clients import assert_calm, scene, whole_log
from tests.metrics.scraping import measured, parse

TOKEN = "3f9c1e7a5b2d4c6e8f0a"


def get(url: str, *, method: str = "GET", **headers: str) -> httpx.Response:
    return httpx.request(
        method, url, headers=headers, trust_env=False, verify=NO_AUTHORITY, timeout=10
    )


@pytest.mark.e2e
def test_unasked_they_are_nowhere() -> None:
    with scene() as found:
        assert get(f"{found.mirror.url}/metrics").status_code == 404


@pytest.mark.e2e
def test_an_address_of_their_own_answers_nothing_else() -> None:
    with measured() as mirror:
        server = mirror.scene.mirror
        assert get(f"{server.url}/metrics").status_code == 404
        answer = get(mirror.url)
        assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
        assert parse(answer.text).of("workers") >= 1
        head = get(mirror.url, method="HEAD")
        assert (head.status_code, head.content) == (200, b"")
        elsewhere = mirror.url.removesuffix("/metrics")
        for path in ("/v2/", "/dashboard/", "/", "/metrics/", "/debug/vars"):
            assert get(f"{elsewhere}{path}").status_code == 404
        assert get(mirror.url, method="POST").status_code == 405
        with pytest.raises(httpx.TransportError):
            get(mirror.url, **{"X-Long": "x" * 40_000})
        assert get(mirror.url).status_code == 200


@pytest.mark.e2e
def test_nothing_that_is_sent_there_ends_it() -> None:
    nonsense = (
        b"\x00\xff\r\n\r\n",
        b"GET /metrics\r\n\r\n",
        b"GET  /metrics HTTP/1.1\r\n\r\n",
        b"GET /metrics HTTP/2\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\n" + b"a: b\r\n" * 200 + b"\r\n",
        b"\r\n\r\n",
    )
    with measured() as mirror:
        host, port = mirror.url.removeprefix("http://").removesuffix("/metrics").split(":")
        for sent in nonsense:
            with socket.create_connection((host, int(port)), 10) as connection:
                connection.sendall(sent)
                assert connection.recv(1000).startswith(b"HTTP/1.1 400 Bad Request\r\n")
            with socket.create_connection((host, int(port)), 10):
                pass  # and away
        for _ in range(8):
            assert mirror.scrape().of("workers") >= 1
        assert_calm(mirror.scene.mirror)


@pytest.mark.e2e
@pytest.mark.parametrize("is_apart", [True, False])
def test_a_token_lets_in_who_has_it(is_apart: bool) -> None:
    address = f"127.0.0.1:{free_port()}"
    extra = {"REGISTRY_HTTP_DEBUG_ADDR": address} if is_apart else {}
    with scene(
        REGISTRY_HTTP_DEBUG_PROMETHEUS_ENABLED="true",
        REGISTRY_HTTP_DEBUG_PROMETHEUS_PATH="/numbers",
        REGISTRY_HTTP_DEBUG_PROMETHEUS_TOKEN=TOKEN,
        REGISTRY_LOG_LEVEL="debug",
        **extra,
    ) as found:
        url = f"http://{address}/numbers" if is_apart else f"{found.mirror.url}/numbers"
        for wrong in ({}, {"Authorization": "Bearer x"}, {"Authorization": f"Basic {TOKEN}"}):
            refused = get(url, **wrong)
            assert refused.status_code == 401
            assert refused.headers["www-authenticate"] == 'Bearer realm="metrics"'
            assert "mirrorsite" not in refused.text
        answer = get(url, Authorization=f"Bearer {TOKEN}")
        assert parse(answer.text).of("build_info") == 1
        assert TOKEN not in whole_log(found.mirror)
        assert TOKEN not in answer.text


@pytest.mark.e2e
def test_they_can_be_read_while_all_threads_are_taken_and_strangers_hold_connections() -> None:
    with measured(MIRROR_THREADS="1") as mirror, ExitStack() as stack:
        digest = mirror.scene.upstream.add_blob("library/thing", bytes(2_000_000))
        gate = Gate()
        mirror.scene.upstream.misbehave(Fault(stall=gate, stall_at=1_000_000), path=str(digest))
        server = mirror.scene.mirror
        # Of each worker the one thread that it has.
        for client in stack.enter_context(client_of_each_worker(server)):
            answer = client.stream("GET", f"library/thing/blobs/{digest}")
            assert stack.enter_context(answer).status_code == 200
        # Whoever connects there and says nothing is dropped after a few seconds.
        host, port = mirror.url.removeprefix("http://").removesuffix("/metrics").split(":")
        for _ in range(4):
            stack.enter_context(closing(socket.create_connection((host, int(port)))))
        found = mirror.scrape()
        assert found.of("requests_in_progress") == 2
        assert found.of("threads_limit") == 2
        gate.open()


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (None, False),
        ("", False),
        ("Bearer", False),
        (f"Bearer {TOKEN}", True),
        (f"bearer  {TOKEN} ", True),
        (f"Basic {TOKEN}", False),
        (f"Bearer {TOKEN}x", False),
        (f"Bearer {TOKEN[:-1]}", False),
        ("Bearer \udcff\xe9", False),
    ],
)
def test_only_the_token_itself_counts(sent: str | None, expected: bool) -> None:
    assert is_admitted(sent, TOKEN) is expected
    assert is_admitted(sent, "")
