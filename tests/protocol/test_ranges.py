"""One range of a blob, cold or warm (RFC 9110 sections 13 and 14)."""

from __future__ import annotations

import random

import httpx
import pytest

from cache.oci.digest import Digest
from tests.e2e.mirror import Mirror
from tests.e2e.processes import eventually
from tests.fakes.upstream import FakeUpstream

SIZE = 200_000


def _data(name: str) -> bytes:
    return random.Random(name).randbytes(SIZE)


@pytest.fixture(params=["cold", "warm"])
def blob(
    request: pytest.FixtureRequest,
    client: httpx.Client,
    upstream: FakeUpstream,
    name: str,
    mirror: Mirror,
) -> str:
    """The path of a blob of `SIZE` bytes."""
    digest = upstream.add_blob(name, _data(name))
    if request.param == "warm":
        client.get(f"/{name}/blobs/{digest}")
        eventually(lambda: _is_held(mirror, digest), "the blob is held")
    return f"/{name}/blobs/{digest}"


@pytest.mark.parametrize(
    ("header", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=100-199", 100, 200),
        ("bytes=150000-", 150_000, SIZE),
        ("bytes=-5", SIZE - 5, SIZE),
        ("bytes=-900000", 0, SIZE),
        ("bytes=199999-900000", SIZE - 1, SIZE),
        ("Bytes=7-8", 7, 9),
    ],
)
def test_a_range(
    client: httpx.Client, blob: str, name: str, header: str, start: int, stop: int
) -> None:
    answer = client.get(blob, headers={"Range": header})
    assert answer.status_code == 206
    assert answer.content == _data(name)[start:stop]
    assert answer.headers["Content-Range"] == f"bytes {start}-{stop - 1}/{SIZE}"
    assert answer.headers["Content-Length"] == str(stop - start)


@pytest.mark.parametrize("header", [f"bytes={SIZE}-", "bytes=-0", "bytes=900000-900001"])
def test_a_range_without_a_byte(client: httpx.Client, blob: str, header: str) -> None:
    answer = client.get(blob, headers={"Range": header})
    assert answer.status_code == 416
    assert answer.headers["Content-Range"] == f"bytes */{SIZE}"
    assert answer.json()["errors"][0]["code"] == "RANGE_INVALID"


@pytest.mark.parametrize(
    "header", ["bytes=0-1,5-6", "bytes=9-3", "bytes=-", "lines=1-2", "bytes=x-", "bytes 0-1", ""]
)
def test_what_is_not_understood_is_ignored(
    client: httpx.Client, blob: str, name: str, header: str
) -> None:
    answer = client.get(blob, headers={"Range": header})
    assert (answer.status_code, answer.content) == (200, _data(name))


def test_if_range(client: httpx.Client, blob: str) -> None:
    etag = f'"{blob.rpartition("/")[2]}"'
    for condition, status in ((etag, 206), ('"other"', 200), (f"W/{etag}", 200)):
        answer = client.get(blob, headers={"Range": "bytes=0-9", "If-Range": condition})
        assert answer.status_code == status


def test_if_none_match(client: httpx.Client, blob: str) -> None:
    etag = f'"{blob.rpartition("/")[2]}"'
    for method in ("GET", "HEAD"):
        answer = client.request(method, blob, headers={"If-None-Match": etag})
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["ETag"] == etag


def _is_held(mirror: Mirror, digest: Digest) -> bool:
    return any(mirror.root.glob(f"blobs/*/*/{digest.hex}"))
