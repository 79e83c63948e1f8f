"""Who may pull what: the section `access`, and which proxies may say who a client is."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import ip_network

import pytest

from cache.config import Access
from tests.config.conftest import Read, Refuse


def test_without_a_word_public_content_is_for_everyone(read: Read) -> None:
    assert read().access == Access(
        anonymous="public",
        visibility_ttl=timedelta(hours=24),
        token_lifetime=timedelta(minutes=5),
        refresh_lifetime=timedelta(hours=720),
        certificate_user="cn",
        identity_header="",
    )


def test_every_key_is_read(read: Read) -> None:
    config = read("""
        http: {trusted_proxies: [10.0.0.5, "fd00::/64"]}
        access:
          anonymous: none
          visibility_ttl: 1h
          token_lifetime: 10m
          refresh_lifetime: 24h
          certificate_user: email
          identity_header: X-Client-Subject
    """)

    assert config.access == Access(
        anonymous="none",
        visibility_ttl=timedelta(hours=1),
        token_lifetime=timedelta(minutes=10),
        refresh_lifetime=timedelta(hours=24),
        certificate_user="email",
        identity_header="X-Client-Subject",
    )
    assert config.http.trusted_proxies == (ip_network("10.0.0.5"), ip_network("fd00::/64"))


def test_the_environment_sets_them_too(read: Read) -> None:
    environ = {
        "REGISTRY_ACCESS_ANONYMOUS": "none",
        "REGISTRY_ACCESS_VISIBILITY_TTL": "30m",
        "REGISTRY_HTTP_TRUSTED_PROXIES": "127.0.0.1",
    }
    config = read("", environ)

    assert config.access == Access(anonymous="none", visibility_ttl=timedelta(minutes=30))
    assert config.http.trusted_proxies == (ip_network("127.0.0.1"),)


@pytest.mark.parametrize("word", ["require-and-verify-client-cert", "verify-client-cert-if-given"])
def test_a_clients_certificate_may_be_a_choice(read: Read, pairs: None, word: str) -> None:
    config = read(f"""
        http:
          tls: {{certificate: a.pem, key: a.key, clientcas: [a.pem], clientauth: {word}}}
    """)

    assert config.http.tls is not None
    assert config.http.tls.clientauth == word


MISTAKES = [
    ("access: {anonymous: everyone}", "access.anonymous", "public or none"),
    ("access: {visibility_ttl: 0}", "access.visibility_ttl", "a duration from 1s to 8760h"),
    ("access: {token_lifetime: 59s}", "access.token_lifetime", "a duration from 60s to 24h"),
    ("access: {refresh_lifetime: 1s}", "access.refresh_lifetime", "a duration from 60s to 8760h"),
    ("access: {certificate_user: serial}", "access.certificate_user", "cn, email, dns or uri"),
    ("access: {identity_header: 'X Y'}", "access.identity_header", "the name of an HTTP header"),
    ("access: {identity_header: Cookie}", "access.identity_header", "a header that means nothing"),
    ("access: {identity_header: X-User}", "access.identity_header", "none without http.trusted_pr"),
    ("access: {anonymus: none}", "access.anonymus", "anonymous (did you mean that?)"),
    ("http: {trusted_proxies: proxy.example}", "http.trusted_proxies.0", "an address or a network"),
    ("http: {trusted_proxies: [10.0.0.5/24]}", "http.trusted_proxies.0", "an address or a network"),
    ("http: {trusted_proxies: [0.0.0.0/0]}", "http.trusted_proxies.0", "not the whole internet"),
    ("http: {tls: {clientauth: maybe}}", "http.tls.clientauth", "verify-client-cert-if-given"),
]


@pytest.mark.parametrize(("content", "key", "allowed"), MISTAKES)
def test_what_cannot_be_meant_is_told(refuse: Refuse, content: str, key: str, allowed: str) -> None:
    (problem,) = refuse(content)

    assert problem.startswith(f"config.yml: {key}: found ")
    assert allowed in problem
