"""TLS as the operator wants it: whom to believe, and who sees the client certificate."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from cache.upstream.client import Endpoint, Upstream
from cache.upstream.connections import Trust, tls_context
from cache.upstream.errors import ServerFailed, Unreachable
from tests.e2e.parts import require
from tests.fakes.authentication import TokenService
from tests.fakes.certificates import Authority
from tests.fakes.faults import Fault
from tests.fakes.upstream import FakeUpstream
from tests.upstream.conftest import Connect
from tests.upstream.names import ALPINE, LATEST

OWN, OTHER = "127.0.0.1", "127.0.0.2"
LAYER = b"layer" * 1000

Serve = Callable[[str], FakeUpstream]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    require("openssl")
    return Authority.make(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def serve(authority: Authority) -> Iterator[Serve]:
    """Starts a registry with TLS that lets clients show a certificate."""
    with ExitStack() as stack:

        def start(host: str) -> FakeUpstream:
            tls = authority.server(host, wants_certificate=True)
            return stack.enter_context(FakeUpstream(host, tls))

        yield start


def _shown(server: FakeUpstream) -> set[str | None]:
    return {seen.certificate for seen in server.requests}


def test_an_unknown_authority_is_not_believed(serve: Serve, connect: Connect) -> None:
    registry = serve(OWN)

    with pytest.raises(Unreachable, match="certificate is not trusted"):
        connect(registry).ping()

    assert registry.requests == []


def test_the_configured_authority_is_believed_everywhere(
    serve: Serve, connect: Connect, authority: Authority
) -> None:
    # given an upstream, its token server and its storage on two hosts
    registry, other = serve(OWN), serve(OTHER)
    digest = registry.add_blob("library/alpine", LAYER)
    service = TokenService()
    registry.require_bearer(service, other.host_tokens(service))
    registry.redirect_blobs_to(other)

    with connect(registry, ca=authority.ca).open_blob(ALPINE, digest) as stream:
        assert b"".join(stream.chunks) == LAYER

    assert other.count(path="/token") == 1
    assert other.count(path="/cdn/") == 1


def test_the_machines_authorities_stay_believed(authority: Authority) -> None:
    alone = tls_context(Endpoint("https://ghcr.io"), Trust())
    besides = tls_context(Endpoint("https://ghcr.io", ca=authority.ca), Trust())

    assert len(alone.get_ca_certs()) > 0
    assert len(besides.get_ca_certs()) == len(alone.get_ca_certs()) + 1


def test_upstreams_without_wishes_share_what_they_believe(authority: Authority) -> None:
    ghcr, hub = Endpoint("https://ghcr.io"), Endpoint("https://registry-1.docker.io")
    blind = Endpoint("https://ghcr.io", insecure_skip_verify=True)
    ordinary = tls_context(ghcr, Trust())

    assert tls_context(hub, Trust()) is ordinary
    for endpoint, trust in (
        (Endpoint("https://ghcr.io", ca=authority.ca), Trust()),
        (blind, Trust(blindly=True)),
    ):
        other = tls_context(endpoint, trust)
        assert other is not ordinary
        assert other is not tls_context(endpoint, trust)
    assert ordinary.verify_mode is ssl.CERT_REQUIRED


def test_what_the_machine_believes_later_is_believed(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = tls_context(Endpoint("https://ghcr.io"), Trust())

    monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca))
    meanwhile = tls_context(Endpoint("https://ghcr.io"), Trust())

    assert meanwhile is not before
    assert len(meanwhile.get_ca_certs()) < len(before.get_ca_certs())


def test_the_name_is_checked(connect: Connect, authority: Authority) -> None:
    with FakeUpstream(OWN, authority.server(OTHER)) as registry:
        with pytest.raises(Unreachable, match="certificate is not trusted"):
            connect(registry, ca=authority.ca).ping()

        assert registry.requests == []


# insecure_skip_verify


def test_blind_trust_is_for_the_own_host(serve: Serve, connect: Connect) -> None:
    registry = serve(OWN)
    registry.add_image("library/alpine", "latest")
    registry.require_bearer(TokenService(users={"bob": "pw"}))

    upstream = connect(registry, insecure_skip_verify=True, username="bob", password="pw")

    assert upstream.head_manifest(ALPINE, LATEST).digest is not None


def test_blind_trust_is_not_for_a_token_server_elsewhere(serve: Serve, connect: Connect) -> None:
    registry, other = serve(OWN), serve(OTHER)
    service = TokenService(users={"bob": "pw"})
    registry.require_bearer(service, other.host_tokens(service))
    upstream = connect(
        registry, insecure_skip_verify=True, username="bob", password="pw", realms=(OTHER,)
    )

    with pytest.raises(Unreachable, match=f"{OTHER}.*certificate is not trusted"):
        upstream.head_manifest(ALPINE, LATEST)

    assert other.requests == []


def test_blind_trust_is_not_for_storage_elsewhere(serve: Serve, connect: Connect) -> None:
    registry, other = serve(OWN), serve(OTHER)
    digest = registry.add_blob("library/alpine", LAYER)
    registry.redirect_blobs_to(other)
    upstream = connect(registry, insecure_skip_verify=True)

    with pytest.raises(Unreachable), upstream.open_blob(ALPINE, digest):
        pass

    assert other.requests == []


# client_certificate, client_key


def _connect_known(
    registry: FakeUpstream, connect: Connect, authority: Authority, **settings: object
) -> Upstream:
    certificate, key = authority.sign("mirror")
    return connect(
        registry, ca=authority.ca, client_certificate=certificate, client_key=key, **settings
    )


def test_the_upstream_sees_the_certificate(
    serve: Serve, connect: Connect, authority: Authority
) -> None:
    registry = serve(OWN)
    registry.add_image("library/alpine", "latest")
    registry.require_bearer()

    _connect_known(registry, connect, authority).head_manifest(ALPINE, LATEST)

    assert _shown(registry) == {"mirror"}
    assert registry.count(path="/token") == 1


def test_strangers_do_not_see_it(serve: Serve, connect: Connect, authority: Authority) -> None:
    registry, other = serve(OWN), serve(OTHER)
    digest = registry.add_blob("library/alpine", LAYER)
    service = TokenService()
    registry.require_bearer(service, other.host_tokens(service))
    registry.redirect_blobs_to(other)

    with _connect_known(registry, connect, authority).open_blob(ALPINE, digest) as stream:
        assert b"".join(stream.chunks) == LAYER

    assert _shown(registry) == {"mirror"}
    assert _shown(other) == {None}
    assert other.count(path="/token") == other.count(path="/cdn/") == 1


def test_a_token_server_that_the_operator_named_sees_it(
    serve: Serve, connect: Connect, authority: Authority
) -> None:
    registry, other = serve(OWN), serve(OTHER)
    registry.add_image("library/alpine", "latest")
    service = TokenService()
    registry.require_bearer(service, other.host_tokens(service))

    _connect_known(registry, connect, authority, realms=(OTHER,)).head_manifest(ALPINE, LATEST)

    assert _shown(other) == {"mirror"}


def test_a_redirect_of_a_token_request_does_not_take_it_along(
    serve: Serve, connect: Connect, authority: Authority
) -> None:
    registry, other = serve(OWN), serve(OTHER)
    registry.require_bearer()
    moved = Fault(status=307, headers={"Location": f"{other.url}/token"})
    registry.misbehave(moved, path="/token")
    other.misbehave(Fault(status=401))

    with pytest.raises(ServerFailed):
        _connect_known(registry, connect, authority).head_manifest(ALPINE, LATEST)

    assert _shown(other) == {None}


def test_a_server_that_insists_on_one_is_told_of(connect: Connect, authority: Authority) -> None:
    tls = authority.server(OWN, wants_certificate=True)
    tls.verify_mode = ssl.CERT_REQUIRED
    with FakeUpstream(OWN, tls) as registry:
        with pytest.raises(Unreachable):
            connect(registry, ca=authority.ca).ping()

        _connect_known(registry, connect, authority).ping()


def test_files_that_are_gone_are_told_of(serve: Serve, connect: Connect, tmp_path: Path) -> None:
    registry = serve(OWN)

    with pytest.raises(Unreachable, match=r"certificates for .* cannot be used"):
        connect(registry, ca=tmp_path / "gone.pem").ping()
