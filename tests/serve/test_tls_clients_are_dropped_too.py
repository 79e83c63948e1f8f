"""Over TLS a client that does not shake hands, or does not read, is dropped as any other."""

from __future__ import annotations

import random
import select
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.parts import require
from tests.fakes.upstream import FakeUpstream
from tests.serve.conftest import PATIENCE, Mirror, Start, until


@pytest.fixture(autouse=True)
def _openssl() -> None:
    require("openssl")


SIZE = 24 * 1024 * 1024
# The beginning of a TLS record that announces 512 bytes of handshake.
HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"


@pytest.fixture
def secure(start: Start, tmp_path: Path, upstream: FakeUpstream) -> Mirror:
    """A mirror that speaks TLS and drops clients soon."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-subj", "/CN=m", "-keyout", "mirror.key", "-out", "mirror.pem"],
        cwd=tmp_path, check=True, capture_output=True,
    )  # fmt: skip
    mirror = start(
        REGISTRY_HTTP_TLS="{certificate: mirror.pem, key: mirror.key}",
        REGISTRY_HTTP_IDLE_TIMEOUT="1s",
        REGISTRY_PROXY_REMOTEURL=upstream.url,
    )
    until(mirror.listens, mirror)
    return mirror


@pytest.fixture
def upstream() -> Iterator[FakeUpstream]:
    with FakeUpstream() as upstream:
        yield upstream


def test_a_handshake_that_never_ends(secure: Mirror) -> None:
    with socket.create_connection(("127.0.0.1", secure.port), PATIENCE) as slow:
        slow.sendall(HELLO)
        for _ in range(300):  # thirty times the limit
            readable, _, _ = select.select([slow], [], [], 0.1)
            if readable:
                break
            slow.sendall(b"x")
        else:
            pytest.fail("it went on and on")

    until(lambda: "dropped the client" in secure.errors, secure)
    assert "its request did not arrive" in secure.errors
    assert "Traceback" not in secure.errors


def test_a_blob_that_is_not_read(secure: Mirror, upstream: FakeUpstream) -> None:
    digest = upstream.add_blob("big", random.Random(1).randbytes(SIZE))
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with socket.socket() as plain:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        plain.settimeout(PATIENCE)
        plain.connect(("127.0.0.1", secure.port))
        with context.wrap_socket(plain) as stalled:
            stalled.sendall(f"GET /v2/big/blobs/{digest} HTTP/1.1\r\nHost: m\r\n\r\n".encode())
            assert stalled.recv(12) == b"HTTP/1.1 200"

            until(lambda: "it took no byte of its answer" in secure.errors, secure)

    assert secure.errors.count("dropped the client") == 1
    assert "Traceback" not in secure.errors
    assert "level=error" not in secure.errors
    (line,) = (line for line in secure.errors.splitlines() if "/blobs/" in line and "cut=" in line)
    assert "status=200" in line
    assert "cut=client" in line
    assert 0 < int(line.partition(" bytes=")[2].split()[0]) < SIZE
