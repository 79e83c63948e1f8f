"""What a client's certificate calls its owner is who signs in; over real TLS, which verifies it."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client as Browser

from cache.runtime import Runtime
from tests.access.conftest import PRIVATE, PUBLIC, changed_to

Connect = Callable[[str | None], ssl.SSLSocket]

CERTIFICATES = {
    "alice": ("/O=Acme/CN=alice", "DNS:host.example"),
    "by email": ("/O=Acme/CN=someone", "email:alice,DNS:alice.example"),
    "by host": ("/O=Acme/CN=someone", "DNS:alice"),
    "by address": ("/O=Acme/CN=someone", "URI:alice"),
    "of two": ("/CN=alice/CN=bob", "DNS:alice,DNS:bob"),
    "in another field": ("/O=alice/CN=someone", "DNS:host.example"),
    "nobody": ("/CN=nobody", "DNS:host.example"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority, and what it has signed."""
    folder = tmp_path_factory.mktemp("certificates")
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")

    def make(name: str, subject: str, *more: str) -> None:
        files = ("-keyout", f"{name}.key", "-out", f"{name}.pem")
        subprocess.run(
            ("openssl", "req", "-x509", *key, "-subj", subject, *files, *more),
            cwd=folder,
            check=True,
            capture_output=True,
        )

    make("ca", "/CN=authority")
    for name, (subject, alternative) in CERTIFICATES.items():
        names = ("-addext", f"subjectAltName={alternative}")
        make(name, subject, "-CA", "ca.pem", "-CAkey", "ca.key", *names)
    return folder


@pytest.fixture
def connect(folder: Path) -> Iterator[Connect]:
    """The mirror's end of a connection whose client shows the certificate, or none."""
    with ExitStack() as stack:

        def make(name: str | None) -> ssl.SSLSocket:
            return stack.enter_context(_connection(folder, name))

        yield make


@contextmanager
def _connection(folder: Path, name: str | None) -> Iterator[ssl.SSLSocket]:
    ours, theirs = socket.socketpair()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "ca.pem", folder / "ca.key")
    server.load_verify_locations(folder / "ca.pem")
    server.verify_mode = ssl.CERT_OPTIONAL
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.load_verify_locations(folder / "ca.pem")
    if name is not None:
        client.load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")

    def shake() -> None:
        with client.wrap_socket(theirs) as connection:
            connection.recv(1)

    thread = threading.Thread(target=shake)
    thread.start()
    with server.wrap_socket(ours, server_side=True) as connection:
        yield connection
        connection.shutdown(socket.SHUT_RDWR)
    thread.join()


def _status(client: Browser, connection: ssl.SSLSocket, repository: str = PRIVATE) -> int:
    status: int = _ask(client, f"/v2/{repository}/manifests/v1", connection).status_code
    return status


def _ask(client: Browser, path: str, connection: ssl.SSLSocket, **more: str) -> Any:
    environ: dict[str, Any] = {"gunicorn.socket": connection, **more}
    return client.get(path, **environ)


@pytest.mark.parametrize(
    ("field", "certificate", "expected"),
    [
        ("cn", "alice", 200),
        ("email", "by email", 200),
        ("dns", "by host", 200),
        ("uri", "by address", 200),
        ("cn", "by email", 401),
        ("dns", "alice", 401),
        ("cn", "of two", 401),
        ("dns", "of two", 401),
        ("cn", "in another field", 401),
        ("cn", "nobody", 401),
        ("cn", None, 401),
    ],
)
def test_the_name_in_the_field_that_is_configured_is_the_users(
    here: Runtime,
    client: Browser,
    alice: int,
    connect: Connect,
    field: str,
    certificate: str | None,
    expected: int,
) -> None:
    with changed_to(here, certificate_user=field):
        connection = connect(certificate)
        assert _status(client, connection) == expected
        assert _status(client, connection, PUBLIC) == 200


def test_a_deactivated_users_certificate_is_nobodys(
    here: Runtime, client: Browser, alice: int, connect: Connect
) -> None:
    connection = connect("alice")
    assert _status(client, connection) == 200
    user = get_user_model().objects.get(pk=alice)
    user.is_active = False
    user.save()

    assert _status(client, connection) == 401


def test_who_says_something_else_in_a_header_is_taken_at_that_word(
    here: Runtime, client: Browser, alice: int, connect: Connect
) -> None:
    answer = _ask(client, "/v2/", connect("alice"), HTTP_AUTHORIZATION="Bearer x.y.z")

    assert answer.status_code == 401
