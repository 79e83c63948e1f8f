"""The default upstream and each other one take the same options."""

from __future__ import annotations

import textwrap
from dataclasses import replace
from datetime import timedelta

import pytest

from cache.config import Proxy
from cache.freshness import Windows
from cache.oci.pattern import Pattern
from tests.config.conftest import Read, Refuse

OPTIONS = """
username: robot
password: p
auth_realm: [Auth.example.com, "10.0.0.1:5001"]
insecure_skip_verify: true
proxy: http://me:s%3A@egress:3128/
connect_timeout: 1s
first_byte_timeout: 2s
stall_timeout: 3s
max_connections: 32
bandwidth: 20MiB
allow: [acme/**, "*/base"]
deny: acme/secret*
offline: yes
freshness: 5m
on_deleted: keep
negative_ttl: 0
quota_reserve: 25%
quota_freshness: 12h
"""
MEANT = Proxy(
    username="robot",
    password="p",
    auth_realm=("auth.example.com", "10.0.0.1:5001"),
    insecure_skip_verify=True,
    proxy="http://me:s%3A@egress:3128",
    connect_timeout=timedelta(seconds=1),
    first_byte_timeout=timedelta(seconds=2),
    stall_timeout=timedelta(seconds=3),
    max_connections=32,
    bandwidth=20 * 1024**2,
    allow=(Pattern("acme/**"), Pattern("*/base")),
    deny=(Pattern("acme/secret*"),),
    offline=True,
    freshness=Windows(timedelta(minutes=5)),
    on_deleted="keep",
    negative_ttl=timedelta(0),
    quota_reserve=0.25,
    quota_freshness=timedelta(hours=12),
)


def test_all_of_them_for_the_default_upstream(read: Read) -> None:
    config = read("proxy:\n" + textwrap.indent(OPTIONS, "  "))

    assert config.proxy == MEANT
    assert config.warnings == ()


def test_all_of_them_for_another(read: Read) -> None:
    config = read("upstreams:\n  quay.io:\n" + textwrap.indent(OPTIONS, "    "))

    assert config.others == (replace(MEANT, registry="quay.io", remoteurl="https://quay.io"),)
    assert config.proxy == Proxy()


@pytest.mark.parametrize(
    ("written", "meant"),
    [("10%", 0.1), ("0%", 0.0), ("90%", 0.9), ("2.5%", 0.025), ("0", 0.0), ("0.1", 0.1),
     ("0.9", 0.9)],
)  # fmt: skip
def test_shares(read: Read, written: str, meant: float) -> None:
    assert read(f"proxy: {{quota_reserve: {written}}}").proxy.quota_reserve == meant


@pytest.mark.parametrize(
    "proxy", ["http://egress:3128", "https://[fd00::1]:8443", "http://a:b@c:1"]
)
def test_egress_proxies(read: Read, proxy: str) -> None:
    assert read(f"proxy: {{proxy: '{proxy}'}}").proxy.proxy == proxy


def test_one_part_is_a_name_in_docker_hubs_library(read: Read) -> None:
    config = read(
        """
        proxy: {allow: [nginx, "node*", acme/app, "**/base", "**"], deny: "*"}
        upstreams: {ghcr.io: {allow: nginx}}
        """
    )

    assert [str(pattern) for pattern in config.proxy.allow] == [
        "library/nginx", "library/node*", "acme/app", "**/base", "**",
    ]  # fmt: skip
    assert [str(pattern) for pattern in config.proxy.deny] == ["library/*"]
    assert [str(pattern) for pattern in config.others[0].allow] == ["nginx"]


MISTAKES = [
    ("auth_realm: 'https://a.b'", "auth_realm.0", "host or host:port"),
    ("auth_realm: [a.b, 'a.b:0']", "auth_realm.1", "host or host:port"),
    ("auth_realm: {a.b: }", "auth_realm", "a single value or a list"),
    ("insecure_skip_verify: 1", "insecure_skip_verify", "true or false"),
    ("proxy: egress:3128", "proxy", "http://host:port or https://host:port"),
    ("proxy: http://egress", "proxy", "http://host:port"),
    ("proxy: http://egress:0", "proxy", "http://host:port"),
    ("proxy: http://egress:99999", "proxy", "http://host:port"),
    ("proxy: socks5://egress:1", "proxy", "http://host:port"),
    ("proxy: http://egress:1/path", "proxy", "http://host:port"),
    ("proxy: 'http://egress:1?q'", "proxy", "http://host:port"),
    ("proxy: 'http://egress:1/#q'", "proxy", "http://host:port"),
    ("proxy: 'http://a b:c@egress:1'", "proxy", "http://host:port"),
    ("proxy: http://a/b@egress:1", "proxy", "http://host:port"),
    ("proxy: http://:1", "proxy", "http://host:port"),
    ("connect_timeout: 0", "connect_timeout", "a duration from 1ms to 24h"),
    ("max_connections: 3", "max_connections", "a whole number from 4 to 10000"),
    ("max_connections: 10001", "max_connections", "a whole number"),
    ("max_connections: 016", "max_connections", "a whole number"),
    ("max_connections: 1e2", "max_connections", "a whole number"),
    ("bandwidth: 20", "bandwidth", "a size with its unit"),
    ("bandwidth: 1KiB", "bandwidth", "at least 64KiB"),
    ("allow: [a, 'nginx:1.2']", "allow.1", "a pattern of repositories"),
    ("allow: []", "allow", "at least 1 value"),
    ("allow: [~]", "allow", "at least 1 value"),
    ("allow: ''", "allow.0", "a pattern of repositories"),
    ("deny: Acme/*", "deny.0", "a pattern of repositories"),
    ("deny: a b", "deny.0", "a pattern of repositories"),
    ("offline: maybe", "offline", "true or false"),
    ("quota_reserve: 10", "quota_reserve", "a share from 0% to 90%"),
    ("quota_reserve: 91%", "quota_reserve", "a share"),
    ("quota_reserve: 90.001%", "quota_reserve", "a share"),
    ("quota_reserve: 0.91", "quota_reserve", "a share"),
    ("quota_reserve: -1%", "quota_reserve", "a share"),
    ("quota_reserve: 1", "quota_reserve", "a share"),
    ("quota_freshness: 1d", "quota_freshness", "0 or a duration"),
]


@pytest.mark.parametrize(("option", "key", "allowed"), MISTAKES)
@pytest.mark.parametrize(
    ("section", "name"), [("proxy: {%s}", "proxy"), ("upstreams: {a.b: {%s}}", "upstreams.a.b")]
)
def test_one_line_names_the_option(
    refuse: Refuse, section: str, name: str, option: str, key: str, allowed: str
) -> None:
    (problem,) = refuse(section % option)

    assert problem.startswith(f"config.yml: {name}.{key}: found ")
    assert f"; allowed {allowed}" in problem


def test_a_name_that_hubs_prefix_makes_too_long_is_refused(refuse: Refuse) -> None:
    (problem,) = refuse(f"proxy: {{allow: {'a' * 248}}}")

    assert problem.endswith("; allowed a shorter pattern")
