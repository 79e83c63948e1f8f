"""Each blob crosses once, is linked where upstream vouches for it, and leaves byte-exact."""

from __future__ import annotations

import random

import httpx

from cache.oci.digest import Digest
from tests.e2e.mirror import Mirror
from tests.e2e.processes import eventually
from tests.fakes.faults import Fault
from tests.fakes.upstream import FakeUpstream


def _data(name: str, size: int = 300_000) -> bytes:
    return random.Random(name).randbytes(size)


def test_cold_then_warm(client: httpx.Client, upstream: FakeUpstream, name: str) -> None:
    digest = upstream.add_blob(name, _data(name))
    cold = client.get(f"/{name}/blobs/{digest}")
    warm = client.get(f"/{name}/blobs/{digest}")
    for answer in (cold, warm):
        assert answer.content == _data(name)
        assert answer.headers["Content-Length"] == "300000"
        assert answer.headers["Docker-Content-Digest"] == str(digest)
        assert answer.headers["Accept-Ranges"] == "bytes"
        assert answer.headers["Content-Type"] == "application/octet-stream"
    assert cold.headers["X-Cache"] == "MISS"
    assert len(upstream.seen("GET", str(digest))) == 1


def test_head_says_what_get_would(client: httpx.Client, upstream: FakeUpstream, name: str) -> None:
    digest = upstream.add_blob(name, _data(name))
    path = f"/{name}/blobs/{digest}"
    assert client.head(path).headers["X-Cache"] == "MISS"
    client.get(path)
    eventually(lambda: client.head(path).headers["X-Cache"] == "HIT", "the blob is held")
    assert _lasting(client.head(path)) == _lasting(client.get(path))


def _lasting(answer: httpx.Response) -> dict[str, str]:
    """The headers, without what differs between any two answers."""
    others = {"date", "x-request-id"}
    return {name: value for name, value in answer.headers.items() if name not in others}


def test_a_sha512_blob(client: httpx.Client, upstream: FakeUpstream, name: str) -> None:
    digest = upstream.add_blob(name, _data(name), "sha512")
    for _ in range(2):
        assert client.get(f"/{name}/blobs/{digest}").content == _data(name)


def test_an_empty_blob(client: httpx.Client, upstream: FakeUpstream, name: str) -> None:
    digest = upstream.add_blob(name, b"")
    for _ in range(2):
        answer = client.get(f"/{name}/blobs/{digest}")
        assert (answer.status_code, answer.content) == (200, b"")


def test_chunked_from_upstream(client: httpx.Client, upstream: FakeUpstream, name: str) -> None:
    digest = upstream.add_blob(name, _data(name))
    upstream.misbehave(Fault(chunked=True), method="GET", path=str(digest))
    assert client.get(f"/{name}/blobs/{digest}").content == _data(name)


def test_head_never_starts_a_fill(
    client: httpx.Client, upstream: FakeUpstream, name: str, mirror: Mirror
) -> None:
    image = upstream.add_image(name, "v1", [_data(name)])
    client.get(f"/{name}/manifests/v1")
    upstream.record.reset()

    head = client.head(f"/{name}/blobs/{image.layer_digests[0]}")

    assert head.headers["Content-Length"] == "300000"
    assert upstream.seen() == [], "the manifest has told the size"
    lonely = upstream.add_blob(name, b"lonely" + _data(name))
    assert client.head(f"/{name}/blobs/{lonely}").headers["Content-Length"] == "300006"
    assert [seen.method for seen in upstream.seen()] == ["HEAD"]
    assert list((mirror.root / "parts").glob("*.part")) == []


def test_knowing_a_digest_is_no_entitlement(
    client: httpx.Client, upstream: FakeUpstream, name: str, mirror: Mirror
) -> None:
    digest = upstream.add_blob(f"{name}/one", _data(name))
    client.get(f"/{name}/one/blobs/{digest}")
    eventually(lambda: _is_held(mirror, digest), "the blob is held")
    upstream.add_blob(f"{name}/two", b"something else")

    refused = client.get(f"/{name}/two/blobs/{digest}")

    assert refused.status_code == 404
    assert refused.json()["errors"][0]["code"] == "BLOB_UNKNOWN"
    assert client.head(f"/{name}/two/blobs/{digest}").status_code == 404


def test_a_blob_of_two_repositories_is_proved_once_and_not_fetched_again(
    client: httpx.Client, upstream: FakeUpstream, name: str, mirror: Mirror
) -> None:
    digest = upstream.add_blob(f"{name}/one", _data(name))
    upstream.add_blob(f"{name}/two", _data(name))
    client.get(f"/{name}/one/blobs/{digest}")
    eventually(lambda: _is_held(mirror, digest), "the blob is held")

    answers = [client.get(f"/{name}/two/blobs/{digest}") for _ in range(3)]

    assert {answer.content for answer in answers} == {_data(name)}
    assert [answer.headers["X-Cache"] for answer in answers] == ["REVALIDATED", "HIT", "HIT"]
    assert [seen.method for seen in upstream.seen(path=str(digest))] == ["GET", "HEAD"]
    assert len(list(mirror.root.glob(f"blobs/*/*/{digest.hex}"))) == 1


def test_wrong_bytes_of_a_small_blob_are_a_502_and_not_kept(
    client: httpx.Client, upstream: FakeUpstream, name: str, mirror: Mirror
) -> None:
    digest = upstream.add_blob(name, b"config" + name.encode())
    upstream.misbehave(Fault(wrong_byte_at=3), method="GET", path=str(digest))

    refused = client.get(f"/{name}/blobs/{digest}")

    assert refused.status_code == 502
    assert refused.json()["errors"][0]["code"] == "UNAVAILABLE"
    assert not _is_held(mirror, digest)
    upstream.behave()
    assert client.get(f"/{name}/blobs/{digest}").status_code == 200


def test_wrong_bytes_of_a_large_blob_are_never_complete(
    client: httpx.Client, upstream: FakeUpstream, name: str, mirror: Mirror
) -> None:
    digest = upstream.add_blob(name, _data(name))
    upstream.misbehave(Fault(wrong_byte_at=299_999), method="GET", path=str(digest))
    received = bytearray()
    try:
        with client.stream("GET", f"/{name}/blobs/{digest}") as answer:
            for chunk in answer.iter_raw():
                received.extend(chunk)
    except httpx.HTTPError:
        pass
    assert len(received) < 300_000
    assert not _is_held(mirror, digest)


def _is_held(mirror: Mirror, digest: Digest) -> bool:
    return any(mirror.root.glob(f"blobs/*/*/{digest.hex}"))
