from __future__ import annotations

import random
import threading
from concurrent.futures import ThreadPoolExecutor

import httpcore
import httpx
import pytest

from cache.upstream.client import Upstream
from cache.upstream.errors import NotFound
from tests.fakes.faults import Fault
from tests.fakes.upstream import FakeUpstream
from tests.upstream.conftest import Connect
from tests.upstream.names import ABSENT, ALPINE, LATEST


def test_one_connection_serves_one_request_after_the_other(
    registry: FakeUpstream, connect: Connect
) -> None:
    image = registry.add_image("library/alpine", "latest")
    registry.require_bearer()
    upstream = connect(registry)

    upstream.ping()
    upstream.head_manifest(ALPINE, LATEST)
    upstream.get_manifest(ALPINE, image.digest)
    with pytest.raises(NotFound):
        upstream.get_manifest(ALPINE, ABSENT)
    with upstream.open_blob(ALPINE, image.config_digest) as stream:
        b"".join(stream.chunks)
    upstream.list_tags(ALPINE)

    questions = [seen for seen in registry.requests if "/blobs/" not in seen.path]
    assert len({seen.client for seen in questions}) == 1
    assert len({seen.client for seen in registry.requests}) == 2, "transfers have their own"


def test_a_redirect_keeps_its_connection(registry: FakeUpstream, connect: Connect) -> None:
    headers = {"Location": "/v2/"}
    registry.misbehave(Fault(status=307, headers=headers, body=b"See there."), path="latest")

    connect(registry).get_manifest(ALPINE, LATEST)

    first, second = registry.requests
    assert first.client == second.client


def test_a_kept_connection_that_just_closed_is_replaced(
    registry: FakeUpstream, connect: Connect
) -> None:
    registry.add_image("library/alpine", "latest")
    upstream = connect(registry)
    upstream.ping()
    registry.misbehave(Fault(cut_after=-1), times=1)

    assert upstream.head_manifest(ALPINE, LATEST).digest is not None
    assert registry.count("HEAD") == 2


def test_many_threads_share_one_client(registry: FakeUpstream, connect: Connect) -> None:
    layers = [bytes([n]) * 300_000 for n in range(20)]
    digests = [registry.add_blob("library/alpine", layer) for layer in layers]
    registry.require_bearer()
    upstream = connect(registry, max_connections=4)

    def fetch(number: int) -> bytes:
        with upstream.open_blob(ALPINE, digests[number]) as stream:
            return b"".join(stream.chunks)

    with ThreadPoolExecutor(10) as pool:
        assert list(pool.map(fetch, range(20))) == layers
    assert registry.count(path="/token") == 1


def test_a_pool_closes_no_connection_under_a_transfer(
    registry: FakeUpstream, connect: Connect
) -> None:
    layer = random.Random(7).randbytes(4_000_000)
    digest = registry.add_blob("library/alpine", layer)
    upstream = connect(registry)

    with upstream.open_blob(ALPINE, digest) as stream:
        first = bytes(next(iter(stream.chunks)))
        (pooled,) = _pooled(upstream)
        pooled.close()  # as another thread does that had just found it idle
        assert not pooled.is_available(), "it gets no further request"
        assert first + b"".join(stream.chunks) == layer

    assert pooled.is_closed(), "it is closed once the transfer is over"


def test_a_connection_closed_before_its_request_is_replaced(
    registry: FakeUpstream, connect: Connect
) -> None:
    digest = registry.add_blob("library/alpine", b"a layer")
    upstream = connect(registry)
    with upstream.open_blob(ALPINE, digest) as stream:
        b"".join(stream.chunks)
    (pooled,) = _pooled(upstream)
    pooled.close()

    with pytest.raises(httpcore.ConnectionNotAvailable):
        pooled.handle_request(httpcore.Request("GET", registry.url))
    with upstream.open_blob(ALPINE, digest) as stream:
        assert b"".join(stream.chunks) == b"a layer"


def _pooled(upstream: Upstream) -> list[httpcore.ConnectionInterface]:
    """The connections for transfers that are in the pool now."""
    clients = upstream._transport._connections._clients
    (client,) = [client for (transfer, _trust), client in clients.items() if transfer]
    transport = client._transport
    assert isinstance(transport, httpx.HTTPTransport)
    return transport._pool.connections


def test_nothing_exists_before_the_first_request(registry: FakeUpstream, connect: Connect) -> None:
    threads = threading.active_count()

    upstream = connect(registry)

    assert upstream._transport._connections._clients == {}
    assert threading.active_count() == threads
