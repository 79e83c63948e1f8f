"""`REGISTRY_UPSTREAMS_GHCR_IO_PASSWORD` overrides what is said of `ghcr.io`."""

from __future__ import annotations

from datetime import timedelta

import pytest

from cache.config.upstream_keys import UPSTREAM
from cache.oci.pattern import Pattern
from tests.config.conftest import Read, Refuse

FILE = """
upstreams:
  ghcr.io: {username: me, password: old, freshness: 1m}
  ghcr.io:5000:
  my-registry.corp.example: {remoteurl: http://10.0.0.1}
"""


def test_a_variable_overrides_its_key_of_the_entry(read: Read) -> None:
    environ = {
        "REGISTRY_UPSTREAMS_GHCR_IO_PASSWORD": "#new",
        "REGISTRY_UPSTREAMS_GHCR_IO_5000_FIRST_BYTE_TIMEOUT": "7s",
        "REGISTRY_UPSTREAMS_GHCR_IO_5000_FRESHNESS_LATEST": "5m",
        "REGISTRY_UPSTREAMS_MY_REGISTRY_CORP_EXAMPLE_INSECURE_SKIP_VERIFY": "true",
        "REGISTRY_UPSTREAMS_MY_REGISTRY_CORP_EXAMPLE_ALLOW_0": "acme/*",
        "REGISTRY_UPSTREAMS_MY_REGISTRY_CORP_EXAMPLE_DENY": "**/private",
    }

    config = read(FILE, environ)

    ghcr, with_port, corp = config.others
    assert (ghcr.username, ghcr.password, with_port.password) == ("me", "#new", "")
    assert with_port.first_byte_timeout == timedelta(seconds=7)
    assert [str(rule) for rule, _ in with_port.freshness.rules] == ["latest"]
    assert (corp.remoteurl, corp.insecure_skip_verify) == ("http://10.0.0.1", True)
    assert (corp.allow, corp.deny) == ((Pattern("acme/*"),), (Pattern("**/private"),))
    assert config.warnings == ()


def test_one_variable_may_hold_all_entries(read: Read) -> None:
    environ = {
        "REGISTRY_UPSTREAMS": "{quay.io: , r.example: {remoteurl: 'http://r:81'}}",
        "REGISTRY_UPSTREAMS_QUAY_IO_OFFLINE": "true",
    }

    config = read(FILE, environ)

    assert [(each.name, each.offline) for each in config.others] == [
        ("quay.io", True),
        ("r.example", False),
    ]


def test_a_variable_for_an_entry_replaces_it(read: Read) -> None:
    config = read(FILE, {"REGISTRY_UPSTREAMS_GHCR_IO": "{offline: true}"})

    ghcr = next(each for each in config.others if each.name == "ghcr.io")
    assert (ghcr.username, ghcr.offline) == ("", True)


def test_an_empty_variable_unsets_its_entry(read: Read) -> None:
    names = [each.name for each in read(FILE, {"REGISTRY_UPSTREAMS_GHCR_IO": ""}).others]

    assert names == ["ghcr.io:5000", "my-registry.corp.example"]


def test_a_variable_for_an_entry_that_is_not_there_says_so(read: Read) -> None:
    (warning,) = read(FILE, {"REGISTRY_UPSTREAMS_GHCR_PASSWORD_FILE": "hunter2"}).warnings

    assert warning.startswith(
        "REGISTRY_UPSTREAMS_GHCR_PASSWORD_FILE: ignored: no entry of upstreams is spelled GHCR in "
        "a variable; the file or REGISTRY_UPSTREAMS must have it; there is "
        "REGISTRY_UPSTREAMS_GHCR_IO_... for ghcr.io, "
    )
    assert "hunter2" not in warning


@pytest.mark.parametrize("name", ["REGISTRY_UPSTREAMS_GHCR_IO_PORT", "REGISTRY_UPSTREAMS_X_Y"])
def test_one_that_ends_in_no_key_is_as_unknown_as_any_other(read: Read, name: str) -> None:
    assert read(FILE, {name: "x"}).warnings == (f"{name}: ignored: it names no known key",)


def test_one_that_may_mean_two_entries_is_a_mistake(refuse: Refuse) -> None:
    (problem,) = refuse(
        "upstreams: {a-b.io: , a.b.io: }", {"REGISTRY_UPSTREAMS_A_B_IO_PASSWORD": "hunter2"}
    )

    assert problem.startswith(
        "REGISTRY_UPSTREAMS_A_B_IO_PASSWORD: found a name that means upstreams.a-b.io.password and "
        "upstreams.a.b.io.password; "
    )
    assert "hunter2" not in problem


def test_a_mistake_names_the_variable_and_the_key(refuse: Refuse) -> None:
    (problem,) = refuse(FILE, {"REGISTRY_UPSTREAMS_GHCR_IO_FRESHNESS": "soon"})

    assert problem.startswith(
        "REGISTRY_UPSTREAMS_GHCR_IO_FRESHNESS: upstreams.ghcr.io.freshness: found 'soon'; "
    )


@pytest.mark.parametrize("key", UPSTREAM)
@pytest.mark.parametrize("prefix", ["REGISTRY_PROXY", "REGISTRY_UPSTREAMS_GHCR_IO"])
def test_every_key_has_its_variable(read: Read, prefix: str, key: str) -> None:
    assert read("upstreams: {ghcr.io: }", {f"{prefix}_{key.upper()}": ""}).warnings == ()


def test_a_pattern_that_is_no_yaml_is_taken_as_it_stands(read: Read) -> None:
    config = read("", {"REGISTRY_PROXY_ALLOW": "**/base"})

    assert config.proxy.allow == (Pattern("**/base"),)
