"""Who asks for a blob where it is not, or may not have it, takes nothing from those who may."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.fakes.faults import Fault, Gate
from tests.fakes.images import build_image
from tests.fakes.upstream import FakeUpstream

ASKERS = 6


def _data(name: str) -> bytes:
    return random.Random(name).randbytes(600_000)


@pytest.mark.parametrize("status", [404, 403])
def test_a_refusal_at_the_start(
    client: httpx.Client, upstream: FakeUpstream, name: str, status: int
) -> None:
    digest = upstream.add_blob(f"{name}/good", _data(name))
    gate = Gate()
    upstream.misbehave(Fault(status=status, hold=gate), path=f"{name}/bad")
    with ThreadPoolExecutor(2 * ASKERS) as pool:
        bad = [pool.submit(client.get, f"/{name}/bad/blobs/{digest}") for _ in range(ASKERS)]
        gate.wait_until_reached()
        good = [pool.submit(client.get, f"/{name}/good/blobs/{digest}") for _ in range(ASKERS)]
        gate.open()
        assert {pull.result(60).content for pull in good} == {_data(name)}
        assert {pull.result(60).status_code for pull in bad} == {status}
    assert len(upstream.seen("GET", f"{name}/good")) == 1


def test_a_refusal_in_mid_transfer(client: httpx.Client, upstream: FakeUpstream, name: str) -> None:
    data = _data(name)
    digest = upstream.add_blob(f"{name}/first", data)
    upstream.add_blob(f"{name}/second", data)
    gate = Gate()
    cut = Fault(stall=gate, stall_at=300_000, cut_after=300_000)
    upstream.misbehave(cut, method="GET", path=f"{name}/first", times=1)
    upstream.misbehave(Fault(status=403), method="GET", path=f"{name}/first")
    with ThreadPoolExecutor(2 * ASKERS) as pool:
        first = pool.submit(client.get, f"/{name}/first/blobs/{digest}")
        gate.wait_until_reached()
        second = [pool.submit(client.get, f"/{name}/second/blobs/{digest}") for _ in range(ASKERS)]
        while len(upstream.seen("HEAD", f"{name}/second")) == 0:
            assert not any(pull.done() for pull in second)
        gate.open()
        assert {pull.result(60).content for pull in second} == {data}
        first.exception(60)
    (continued,) = upstream.seen("GET", f"{name}/second")
    assert continued.header("Range") == "bytes=300000-"


def test_a_manifest_that_lies_about_a_size(
    client: httpx.Client, upstream: FakeUpstream, name: str
) -> None:
    data = _data(name)
    digest = upstream.add_blob(f"{name}/honest", data)
    lying = build_image([data[:100]], extra={"layers": [_descriptor(str(digest), 100)]})
    upstream.put_image(f"{name}/lying", lying, "v1")
    upstream.add_blob(f"{name}/lying", data)
    client.get(f"/{name}/lying/manifests/v1")
    gate = Gate()
    upstream.misbehave(Fault(chunked=True, hold=gate), method="GET", path=str(digest))
    with ThreadPoolExecutor(2) as pool:
        lied_to = pool.submit(client.get, f"/{name}/lying/blobs/{digest}")
        gate.wait_until_reached()
        honest = pool.submit(client.get, f"/{name}/honest/blobs/{digest}")
        gate.open()
        assert honest.result(60).content == data
        assert lied_to.exception(60) is not None or lied_to.result().status_code == 502


def _descriptor(digest: str, size: int) -> dict[str, object]:
    return {
        "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
        "digest": digest,
        "size": size,
    }
