from __future__ import annotations

import logging
import time

import httpx
import pytest

from cache.upstream.authentication import Authenticator
from cache.upstream.client import Endpoint
from cache.upstream.errors import BadAnswer, Denied
from cache.upstream.quota import Ledger
from cache.upstream.tokens import TokenCache
from cache.upstream.transport import Transport
from tests.fakes.authentication import TokenService
from tests.fakes.upstream import FakeUpstream
from tests.upstream.conftest import Connect
from tests.upstream.names import LATEST, SECRET


def _private(registry: FakeUpstream, token_server: FakeUpstream) -> None:
    registry.add_image("acme/secret", "latest")
    service = TokenService(users={"bob": "pw"}, private=frozenset({"acme/secret"}))
    registry.require_bearer(service, token_server.host_tokens(service))


def test_the_own_host_gets_the_password(registry: FakeUpstream, connect: Connect) -> None:
    _private(registry, registry)

    connect(registry, username="bob", password="pw").head_manifest(SECRET, LATEST)

    (asked,) = registry.seen(path="/token")
    assert (asked.header("authorization") or "").startswith("Basic ")
    assert "account=bob" in asked.query


def test_another_host_is_asked_anonymously_and_the_operator_is_told(
    registry: FakeUpstream,
    elsewhere: FakeUpstream,
    connect: Connect,
    caplog: pytest.LogCaptureFixture,
) -> None:
    _private(registry, elsewhere)
    upstream = connect(registry, username="bob", password="pw")

    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            with pytest.raises(Denied):
                upstream.head_manifest(SECRET, LATEST)

    assert all(seen.header("authorization") is None for seen in elsewhere.requests)
    assert all("bob" not in seen.target for seen in elsewhere.requests)
    (record,) = [record for record in caplog.records if "auth_realm" in record.getMessage()]
    assert elsewhere.host in record.getMessage()


@pytest.mark.parametrize("with_port", [True, False])
def test_a_host_that_the_operator_named_gets_the_password(
    registry: FakeUpstream, elsewhere: FakeUpstream, connect: Connect, with_port: bool
) -> None:
    _private(registry, elsewhere)
    named = f"{elsewhere.host}:{elsewhere.port}" if with_port else elsewhere.host

    upstream = connect(registry, username="bob", password="pw", realms=(named,))

    assert upstream.head_manifest(SECRET, LATEST).digest is not None


@pytest.mark.parametrize(
    ("upstream", "realm", "expected"),
    [
        ("https://registry-1.docker.io", "https://auth.docker.io/token", True),
        ("https://ghcr.io", "https://ghcr.io/token", True),
        ("https://REGISTRY.gitlab.com", "https://gitlab.com/jwt/auth", True),
        ("https://registry.example.co.uk", "https://auth.example.co.uk/t", True),
        ("https://registry.example:5000", "https://registry.example:5001/t", True),
        ("https://registry.example.com", "https://registry.example.com./t", True),
        ("https://registry.example.co.uk", "https://evil.co.uk/t", False),
        ("https://one.github.io", "https://two.github.io/t", False),
        ("https://docker.io.evil.com", "https://auth.docker.io/t", False),
        ("https://registry-1.docker.io", "https://auth.docker.io.evil.com/t", False),
        ("https://registry-1.docker.io", "https://evildocker.io/t", False),
        ("https://registry.corp", "https://auth.corp/t", False),
        ("http://registry:5000", "http://auth:5000/t", False),
        ("http://localhost:5000", "http://localhost:5001/t", True),
        ("http://127.0.0.1:5000", "http://127.0.0.2:5000/t", False),
        ("http://10.1.2.3", "http://4.1.2.3/t", False),
        ("http://[::1]:5000", "http://[::1]:5001/t", True),
        ("http://[::1]", "http://[::2]/t", False),
        ("https://xn--mnchen-3ya.example.de", "https://m\u00fcnchen.example.de/t", True),
    ],
)
def test_whose_realm_is_ours(upstream: str, realm: str, expected: bool) -> None:
    assert Endpoint(upstream).may_send_credentials_to(httpx.URL(realm)) is expected


def test_a_named_port_is_meant() -> None:
    endpoint = Endpoint("https://a.example", realms=("Auth.Other:8443",))

    assert endpoint.may_send_credentials_to(httpx.URL("https://auth.other:8443/t"))
    assert not endpoint.may_send_credentials_to(httpx.URL("https://auth.other/t"))


def test_a_wrong_password_is_a_denial(registry: FakeUpstream, connect: Connect) -> None:
    _private(registry, registry)

    with pytest.raises(Denied) as denied:
        connect(registry, username="bob", password="wrong").head_manifest(SECRET, LATEST)

    assert denied.value.unauthenticated
    assert registry.count(path="/token") == 1


def test_tls_is_not_left_for_a_token() -> None:
    endpoint = Endpoint("https://registry.example")
    ledger = Ledger(endpoint, None, time.time)
    transport, tokens = Transport(endpoint), TokenCache(time.time)
    authenticator = Authenticator(endpoint, transport, ledger, tokens, None)

    with pytest.raises(BadAnswer, match="without TLS"):
        authenticator.answer(['Bearer realm="http://registry.example/token"'], None, None)
