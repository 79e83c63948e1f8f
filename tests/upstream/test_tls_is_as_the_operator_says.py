"""`ca`, `client_certificate` and `insecure_skip_verify`, against real TLS."""

from __future__ import annotations

import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from cache.upstream.errors import UpstreamError
from tests.e2e.parts import require
from tests.fakes.upstream import FakeUpstream
from tests.upstream.conftest import Connect
from tests.upstream.names import ALPINE, LATEST

HOSTS = ("127.0.0.1", "127.0.0.2")


@dataclass(frozen=True, slots=True)
class Pem:
    """A certificate that vouches for itself, for the fakes' two hosts, and its key."""

    certificate: Path
    key: Path

    def server(self, clients: Path | None = None) -> ssl.SSLContext:
        """What a server with it speaks; with `clients`, only to clients of that authority."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        if clients is not None:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(clients)
        return context


def made(folder: Path, name: str) -> Pem:
    require("openssl")
    pem = Pem(folder / f"{name}.pem", folder / f"{name}.key")
    names = ",".join(f"IP:{host}" for host in HOSTS)
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-subj", f"/CN={name}", "-addext", f"subjectAltName={names}",
         "-keyout", pem.key, "-out", pem.certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    return pem


@pytest.fixture
def corp(tmp_path: Path) -> Pem:
    return made(tmp_path, "corp")


@pytest.fixture
def client(tmp_path: Path) -> Pem:
    return made(tmp_path, "client")


@pytest.fixture
def secure(corp: Pem) -> Iterator[FakeUpstream]:
    with FakeUpstream(HOSTS[0], corp.server()) as fake:
        fake.add_image("library/alpine", "latest")
        yield fake


def test_an_unknown_authority_is_refused(secure: FakeUpstream, connect: Connect) -> None:
    with pytest.raises(UpstreamError, match="certificate is not trusted"):
        connect(secure).head_manifest(ALPINE, LATEST)
    assert secure.count() == 0


def test_the_operators_authority_is_trusted(
    secure: FakeUpstream, corp: Pem, connect: Connect
) -> None:
    upstream = connect(secure, ca=corp.certificate)

    assert upstream.head_manifest(ALPINE, LATEST).digest is not None


def test_no_verification_is_for_the_upstreams_own_host_alone(
    secure: FakeUpstream, corp: Pem, connect: Connect
) -> None:
    digest = secure.add_blob("library/alpine", b"layer")
    with FakeUpstream(HOSTS[1], corp.server()) as storage:
        secure.redirect_blobs_to(storage)
        upstream = connect(secure, insecure_skip_verify=True)

        assert upstream.head_manifest(ALPINE, LATEST).digest is not None
        with (
            pytest.raises(UpstreamError, match="certificate is not trusted"),
            upstream.open_blob(ALPINE, digest),
        ):
            pass
        assert storage.count() == 0


def test_the_client_certificate_opens_the_door(corp: Pem, client: Pem, connect: Connect) -> None:
    with FakeUpstream(HOSTS[0], corp.server(clients=client.certificate)) as closed:
        closed.add_image("library/alpine", "latest")
        options = {"ca": corp.certificate}
        shown = {"client_certificate": client.certificate, "client_key": client.key}

        with pytest.raises(UpstreamError):
            connect(closed, **options).head_manifest(ALPINE, LATEST)
        assert connect(closed, **options, **shown).head_manifest(ALPINE, LATEST).digest is not None


def test_the_client_certificate_is_shown_to_no_other_host(
    secure: FakeUpstream, corp: Pem, client: Pem, connect: Connect
) -> None:
    digest = secure.add_blob("library/alpine", b"layer")
    with FakeUpstream(HOSTS[1], corp.server(clients=client.certificate)) as curious:
        secure.redirect_blobs_to(curious)
        upstream = connect(
            secure,
            ca=corp.certificate,
            client_certificate=client.certificate,
            client_key=client.key,
        )

        with pytest.raises(UpstreamError), upstream.open_blob(ALPINE, digest):
            pass
        assert curious.count() == 0
