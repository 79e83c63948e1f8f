"""Upstream announces one size and has another: no client takes the result for the whole blob."""

from __future__ import annotations

import random

import httpx
import pytest

from tests.e2e.processes import eventually
from tests.fakes.faults import Fault
from tests.fakes.upstream import FakeUpstream

SIZE = 600_000


def _data(name: str) -> bytes:
    return random.Random(name).randbytes(SIZE)


def _lies(data: bytes) -> dict[str, list[Fault]]:
    """The answers that come before the right one."""
    return {
        "truncated": [Fault(status=200, body=data[:500_000])],
        "truncated, then cut": [Fault(status=200, body=data[:500_000], cut_after=300_000)],
        "with garbage behind": [Fault(status=200, body=data + bytes(400_000))],
        "chunked, with garbage behind": [
            Fault(status=200, body=data + bytes(400_000), chunked=True)
        ],
        "announced too long": [Fault(headers={"Content-Length": str(SIZE + 5)}, cut_after=SIZE)],
        "twice": [
            Fault(status=200, body=data[:500_000]),
            Fault(status=200, body=data[:400_000]),
        ],
    }


LIES = list(_lies(b""))


def _complete_body(client: httpx.Client, path: str, **headers: str) -> bytes | None:
    """What a client takes for the whole answer; None if it was broken off, or refused."""
    try:
        answer = client.get(path, headers=headers)
    except httpx.HTTPError:
        return None
    return answer.content if answer.status_code < 300 else None


@pytest.mark.parametrize("in_a_manifest", [True, False])
@pytest.mark.parametrize("lie", LIES)
def test_whole(
    client: httpx.Client, upstream: FakeUpstream, name: str, lie: str, in_a_manifest: bool
) -> None:
    data = _data(name)
    digest = upstream.add_image(name, "v1", [data]).layer_digests[0]
    if in_a_manifest:
        client.get(f"/{name}/manifests/v1")
    for fault in _lies(data)[lie]:
        upstream.misbehave(fault, method="GET", path=str(digest), times=1)

    first = _complete_body(client, f"/{name}/blobs/{digest}")
    upstream.behave()

    assert first is None or first == data, "complete and wrong"
    eventually(
        lambda: _complete_body(client, f"/{name}/blobs/{digest}") == data, "the right one comes"
    )


def test_an_endless_body_is_not_followed_beyond_what_a_manifest_says(
    client: httpx.Client, upstream: FakeUpstream, name: str
) -> None:
    data = _data(name)
    digest = upstream.add_image(name, "v1", [data]).layer_digests[0]
    client.get(f"/{name}/manifests/v1")
    endless = Fault(status=200, body=data + bytes(128 * 1024 * 1024), chunked=True)
    upstream.misbehave(endless, method="GET", path=str(digest))
    upstream.reset()

    assert _complete_body(client, f"/{name}/blobs/{digest}") is None

    assert upstream.count("GET", str(digest)) == 1
    assert upstream.body_bytes < 64 * 1024 * 1024, "it goes no further than the network's buffers"


@pytest.mark.parametrize("lie", LIES)
def test_to_the_end(client: httpx.Client, upstream: FakeUpstream, name: str, lie: str) -> None:
    data = _data(name)
    digest = upstream.add_blob(name, data)
    for fault in _lies(data)[lie]:
        upstream.misbehave(fault, method="GET", path=str(digest), times=1)

    answer = _complete_body(client, f"/{name}/blobs/{digest}", Range="bytes=100-")

    # Where no size is known at first, no range can be named: then it is the whole.
    assert answer is None or answer in (data[100:], data), "complete and wrong"
