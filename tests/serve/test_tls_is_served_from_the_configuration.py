"""With a certificate the mirror speaks TLS; with authorities, only to clients they signed."""

from __future__ import annotations

import socket
import ssl
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.serve.conftest import Mirror, Start, until

pytestmark = pytest.mark.usefixtures("certificates")


def status(mirror: Mirror, context: ssl.SSLContext) -> int:
    """What a request is answered; OSError when the connection itself is refused."""
    try:
        url = f"https://127.0.0.1:{mirror.port}/somewhere"
        with urllib.request.urlopen(url, context=context, timeout=30) as response:
            code: int = response.status
    except urllib.error.HTTPError as error:
        with error:
            code = error.code
    return code


def trusting(tmp_path: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=tmp_path / "mirror.pem")


def test_requests_are_answered_over_tls(start: Start, tmp_path: Path) -> None:
    mirror = start(REGISTRY_HTTP_TLS="{certificate: mirror.pem, key: mirror.key}")
    until(mirror.listens, mirror)

    assert status(mirror, trusting(tmp_path)) == 404
    assert f"https://127.0.0.1:{mirror.port}" in mirror.output


def test_who_would_rather_speak_http2_is_served_by_http1(start: Start, tmp_path: Path) -> None:
    # docs/decisions/0066: what a connection's requests share would be one thread.
    mirror = start(REGISTRY_HTTP_TLS="{certificate: mirror.pem, key: mirror.key}")
    until(mirror.listens, mirror)
    trust = trusting(tmp_path)
    trust.set_alpn_protocols(["h2", "http/1.1"])

    with (
        socket.create_connection(("127.0.0.1", mirror.port), 30) as plain,
        trust.wrap_socket(plain, server_hostname="127.0.0.1") as client,
    ):
        assert client.selected_alpn_protocol() != "h2"
        client.sendall(b"GET /v2/ HTTP/1.1\r\nHost: m\r\nConnection: close\r\n\r\n")
        assert client.recv(15) == b"HTTP/1.1 200 OK"


def test_plain_http_on_the_same_port_is_refused_in_the_protocols_form(start: Start) -> None:
    mirror = start(REGISTRY_HTTP_TLS="{certificate: mirror.pem, key: mirror.key}")
    until(mirror.listens, mirror)

    head, _, body = mirror.get("/v2/").partition(b"\r\n\r\n")

    assert head.startswith(b"HTTP/1.1 400 ")
    assert b"https" in body
    assert body.startswith(b'{"errors": [')


def test_only_clients_with_a_known_certificate_are_let_in(start: Start, tmp_path: Path) -> None:
    mirror = start(
        REGISTRY_HTTP_TLS="{certificate: mirror.pem, key: mirror.key, clientcas: [client.pem]}"
    )
    until(mirror.listens, mirror)
    stranger, known = trusting(tmp_path), trusting(tmp_path)
    known.load_cert_chain(tmp_path / "client.pem", tmp_path / "client.key")

    assert status(mirror, known) == 404
    with pytest.raises(OSError, match=r"(?i)certificate|reset|EOF"):
        status(mirror, stranger)
