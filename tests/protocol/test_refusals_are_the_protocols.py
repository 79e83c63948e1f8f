"""Whatever is asked, a refusal is the OCI envelope: never a 500, never a web page."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

import httpx
import pytest

from tests.e2e.mirror import Mirror
from tests.fakes.faults import Fault
from tests.fakes.upstream import FakeUpstream

D = "sha256:" + "0" * 64


def _refusal(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Docker-Distribution-Api-Version"] == "registry/2.0"
    (error,) = answer.json()["errors"]
    assert error["message"]
    return answer.status_code, error["code"]


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/Upper/manifests/x", 400, "NAME_INVALID"),
        ("/a//b/manifests/x", 400, "NAME_INVALID"),
        ("/a/%2e%2e/b/manifests/x", 400, "NAME_INVALID"),
        ("/%00/manifests/x", 400, "NAME_INVALID"),
        ("/%ff%fe/blobs/" + D, 400, "NAME_INVALID"),
        ("/" + "a" * 300 + "/tags/list", 400, "NAME_INVALID"),
        ("/a/manifests/-x", 400, "TAG_INVALID"),
        ("/a/manifests/" + "x" * 129, 400, "TAG_INVALID"),
        ("/a/manifests/sha256:0", 400, "DIGEST_INVALID"),
        ("/a/blobs/latest", 400, "DIGEST_INVALID"),
        ("/a/blobs/md5:" + "0" * 32, 400, "DIGEST_INVALID"),
        ("/a/referrers/latest", 400, "DIGEST_INVALID"),
        ("/a/tags/list?n=x", 400, "PAGINATION_NUMBER_INVALID"),
        ("/_catalog?n=-1", 400, "PAGINATION_NUMBER_INVALID"),
        ("/none/manifests/x", 404, "MANIFEST_UNKNOWN"),
        ("/none/manifests/" + D, 404, "MANIFEST_UNKNOWN"),
        ("/none/blobs/" + D, 404, "BLOB_UNKNOWN"),
        ("/none/tags/list", 404, "NAME_UNKNOWN"),
        ("/a/manifests/x?ns=ghcr.io", 404, "NAME_UNKNOWN"),
        ("/a", 404, "UNSUPPORTED"),
        ("/a/manifests/x/y", 404, "UNSUPPORTED"),
        ("/a/manifests/", 404, "UNSUPPORTED"),
        ("/%0a/manifests/x", 404, "UNSUPPORTED"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_reads(client: httpx.Client, method: str, path: str, status: int, code: str) -> None:
    answer = client.request(method, path)
    if method == "GET":
        assert _refusal(answer) == (status, code)
    else:
        assert (answer.status_code, answer.content) == (status, b"")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"])
@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/_catalog",
        "/a/manifests/x",
        f"/a/blobs/{D}",
        "/a/blobs/uploads/",
        "/a/tags/list",
        "/x",
    ],
)
def test_writes(client: httpx.Client, method: str, path: str) -> None:
    answer = client.request(method, path)
    assert _refusal(answer) == (405, "UNSUPPORTED")
    assert answer.headers["Allow"] == "GET, HEAD"


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        (Fault(status=500), 502, "UNAVAILABLE"),
        (Fault(status=503), 502, "UNAVAILABLE"),
        (Fault(status=401), 403, "DENIED"),
        (Fault(status=403), 403, "DENIED"),
        (Fault(status=404), 404, "MANIFEST_UNKNOWN"),
        (Fault(status=418), 502, "UNAVAILABLE"),
    ],
)
def test_upstreams_trouble(
    client: httpx.Client, upstream: FakeUpstream, name: str, fault: Fault, status: int, code: str
) -> None:
    image = upstream.add_image(name, "v1", [name.encode()])
    upstream.misbehave(fault, path=name)
    for path in ("manifests/v1", f"manifests/{image.digest}", f"blobs/{image.layer_digests[0]}"):
        answer = client.get(f"/{name}/{path}")
        expected = "BLOB_UNKNOWN" if path.startswith("blobs") and status == 404 else code
        assert _refusal(answer) == (status, expected)


def test_upstream_hanging_up(client: httpx.Client, upstream: FakeUpstream, name: str) -> None:
    upstream.add_image(name, "v1", [name.encode()])
    upstream.misbehave(Fault(cut_after=-1), path=name)
    assert _refusal(client.get(f"/{name}/manifests/v1")) == (502, "UNAVAILABLE")


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET /v2/\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v2/ HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
        b"GET /v2/ HTTP/1.1\r\nHost: a b\r\n\r\n",
        b"GET /v2/ HTTP/1.1\r\n\r\n",
        b"GET /v2/x HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GARBAGE\r\n\r\n",
        b"GET " + b"/v2/" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v2/ HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 500 + b"\r\n",
        b"POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\nabc",
        b"GET http://elsewhere/v2/a HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)
def test_bytes_that_are_hardly_a_request(mirror: Mirror, request_bytes: bytes) -> None:
    target = urlsplit(mirror.url)
    with socket.create_connection((target.hostname, target.port), timeout=30) as connection:
        connection.sendall(request_bytes)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
    status = answer.split(b" ", 2)[1] if answer else b""
    assert not answer or status[:1] in (b"2", b"4")
    assert b"<html" not in answer.lower()
    if status[:1] == b"4":
        assert b'{"errors": [' in answer
