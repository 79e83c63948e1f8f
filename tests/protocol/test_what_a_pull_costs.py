"""What a pull costs upstream, to the request, over two workers and with tokens."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import cycle
from pathlib import Path

import httpx
import pytest

from cache.oci.digest import Digest
from tests.e2e.mirror import WORKERS, Mirror
from tests.e2e.processes import eventually
from tests.e2e.workers import client_of_each_worker
from tests.fakes.faults import Fault, Gate
from tests.fakes.images import LINUX_ARM64, Image, Index, build_image, build_index
from tests.fakes.plain import NO_AUTHORITY
from tests.fakes.upstream import FakeUpstream

NAME = "library/thing"


@pytest.fixture
def cdn() -> Iterator[FakeUpstream]:
    """Storage on another host, which refuses requests with `Authorization`."""
    with FakeUpstream("127.0.0.2") as cdn:
        yield cdn


@pytest.fixture
def upstream(cdn: FakeUpstream) -> Iterator[FakeUpstream]:
    """A registry that asks for tokens and keeps its blobs elsewhere, like Docker Hub."""
    with FakeUpstream() as upstream:
        upstream.require_bearer()
        upstream.redirect_blobs_to(cdn)
        yield upstream


@pytest.fixture
def index(upstream: FakeUpstream) -> Index:
    """An image for two platforms, with three layers for the first."""
    layers = [f"layer {number}".encode() * 50_000 for number in range(3)]
    images = (build_image(layers), build_image([b"for arm64"], platform=LINUX_ARM64))
    return upstream.put_index(NAME, build_index(images), "v1")


def pull(clients: tuple[httpx.Client, ...], index: Index) -> None:
    """As containerd does for one platform; the next worker is asked for the next thing."""
    next_client = cycle(clients)
    image = index.images[0]
    blobs = {image.config_digest: image.config, **_layers(image)}
    head = next(next_client).head(f"{NAME}/manifests/v1")
    assert head.headers["Docker-Content-Digest"] == str(index.digest)
    for manifest in (index, image):
        answer = next(next_client).get(f"{NAME}/manifests/{manifest.digest}")
        assert answer.content == manifest.manifest
    for digest, data in blobs.items():
        client = next(next_client)
        head = client.head(f"{NAME}/blobs/{digest}")
        assert head.headers["Content-Length"] == str(len(data))
        assert client.get(f"{NAME}/blobs/{digest}").content == data


def _layers(image: Image) -> dict[Digest, bytes]:
    return dict(zip(image.layer_digests, image.layers, strict=True))


def costs(upstream: FakeUpstream) -> Counter[str]:
    """How often each request was sent. One that was sent to learn how to sign in is "challenged".

    A process has no other way to learn that, before its first request for content.
    """
    return Counter(
        "token"
        if seen.path == "/token"
        else f"{seen.method} {seen.path.removeprefix(f'/v2/{NAME}/')}"
        if seen.header("authorization")
        else "challenged"
        for seen in upstream.requests
    )


def cold_costs(index: Index) -> dict[str, int]:
    image = index.images[0]
    blobs = (image.config_digest, *image.layer_digests)
    return {
        "token": 1,
        "HEAD manifests/v1": 1,
        f"GET manifests/{index.digest}": 1,
        f"GET manifests/{image.digest}": 1,
        **{f"GET blobs/{digest}": 1 for digest in blobs},
    }


def test_a_cold_pull_and_a_warm_one(
    upstream: FakeUpstream, cdn: FakeUpstream, index: Index, tmp_path: Path
) -> None:
    root = tmp_path / "root"
    with Mirror(root, upstream.url) as mirror, client_of_each_worker(mirror) as clients:
        pull(clients, index)

        cold = costs(upstream)
        assert 1 <= cold.pop("challenged") <= WORKERS
        assert cold == cold_costs(index)
        assert [seen.method for seen in cdn.requests] == ["GET"] * 4

        eventually(lambda: not any((root / "parts").iterdir()), "all fills have ended")
        upstream.reset()
        cdn.reset()
        pull(clients, index)

        warm = costs(upstream)
        assert warm.pop("challenged", 0) < WORKERS
        assert warm == {"HEAD manifests/v1": 1}
        assert cdn.count() == 0


def test_a_warm_pull_inside_the_window_costs_nothing(
    upstream: FakeUpstream, cdn: FakeUpstream, index: Index, tmp_path: Path
) -> None:
    root = tmp_path / "root"
    with (
        Mirror(root, upstream.url, REGISTRY_PROXY_FRESHNESS="1h") as mirror,
        client_of_each_worker(mirror) as clients,
    ):
        pull(clients, index)
        eventually(lambda: not any((root / "parts").iterdir()), "all fills have ended")
        upstream.reset()
        cdn.reset()

        pull(clients, index)
        pull(clients[::-1], index)

        assert (upstream.count(), cdn.count()) == (0, 0)


def test_a_crowd_costs_no_more_than_one(
    upstream: FakeUpstream, cdn: FakeUpstream, index: Index, tmp_path: Path
) -> None:
    crowd = 12
    with Mirror(tmp_path / "root", upstream.url) as mirror, ThreadPoolExecutor(crowd) as pool:

        def one_more() -> None:
            with httpx.Client(
                base_url=f"{mirror.url}/v2/", timeout=60, trust_env=False, verify=NO_AUTHORITY
            ) as client:
                pull((client,), index)

        for each in [pool.submit(one_more) for _ in range(crowd)]:
            each.result()

    # A tag's checks may follow each other, and a worker that finds a blob in the moment before its
    # record asks with HEAD whether it is this repository's (decision 4); neither counts at Hub.
    fetched = {
        what: n for what, n in costs(upstream).items() if what.split()[0] in ("GET", "token")
    }
    expected = cold_costs(index)
    del expected["HEAD manifests/v1"]
    assert fetched == expected


def test_one_check_of_a_tag_at_a_time(upstream: FakeUpstream, index: Index, tmp_path: Path) -> None:
    crowd = 8
    upstream.put_image(NAME, index.images[0], "v2")
    with (
        Mirror(tmp_path / "root", upstream.url) as mirror,
        client_of_each_worker(mirror) as clients,
        ThreadPoolExecutor(crowd) as pool,
    ):
        pull(clients, index)
        gate = Gate()
        upstream.misbehave(Fault(hold=gate), method="HEAD", path="/v1$")
        ask = partial(
            httpx.get, f"{mirror.url}/v2/{NAME}/manifests/v1", timeout=60, trust_env=False
        )
        pulls = [pool.submit(ask) for _ in range(crowd)]
        gate.wait_until_reached()
        # A hundred pulls of another tag later, all of the crowd have asked.
        for client in clients * 50:
            assert client.get(f"{NAME}/manifests/v2").status_code == 200
        checks = gate.arrived
        gate.open()
        outcomes = {each.result().headers["X-Cache"] for each in pulls}

    # Workers do not wait for each other's checks (decision 5).
    assert 1 <= checks <= WORKERS
    assert outcomes == {"REVALIDATED"}
