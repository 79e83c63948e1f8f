"""`http.debug`: where metrics may be read, and by whom."""

from __future__ import annotations

from pathlib import Path

import pytest

from cache.config import Address, Metrics
from tests.config.conftest import Read, Refuse

TOKEN = "3f9c1e7a5b2d4c6e8f0a"


def test_without_a_word_there_are_none(read: Read) -> None:
    assert read("").http.metrics == Metrics(enabled=False)


def test_distributions_own_section_opens_its_address(read: Read) -> None:
    config = read(
        "http: {addr: ':5000', debug: {addr: ':5001', prometheus: {enabled: true, path: /m}}}"
    )
    assert config.http.metrics == Metrics(True, Address("", 5001), "/m")
    assert config.warnings == ()


def test_with_a_token_they_are_among_the_other_paths(read: Read) -> None:
    config = read(f"http: {{debug: {{prometheus: {{enabled: true, token: {TOKEN}}}}}}}")
    assert config.http.metrics == Metrics(True, None, "/metrics", TOKEN)


def test_the_token_may_be_in_a_file(read: Read, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    section = f"{{enabled: true, token_file: {tmp_path / 'token'}}}"
    assert read(f"http: {{debug: {{prometheus: {section}}}}}").http.metrics.token == TOKEN


def test_the_token_is_not_shown(read: Read, refuse: Refuse) -> None:
    config = read(f"http: {{debug: {{prometheus: {{enabled: true, token: {TOKEN}}}}}}}")
    assert TOKEN not in repr(config)
    (problem,) = refuse("http: {debug: {prometheus: {enabled: true, token: secret99}}}")
    assert "secret99" not in problem
    assert "at least 16" in problem


def test_the_environment_may_say_it_too(read: Read, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN)
    config = read(
        "",
        {
            "REGISTRY_HTTP_DEBUG_ADDR": "127.0.0.1:9100",
            "REGISTRY_HTTP_DEBUG_PROMETHEUS_ENABLED": "true",
            "REGISTRY_HTTP_DEBUG_PROMETHEUS_TOKEN_FILE": str(tmp_path / "token"),
        },
    )
    assert config.http.metrics == Metrics(True, Address("127.0.0.1", 9100), "/metrics", TOKEN)


@pytest.mark.parametrize(
    ("section", "key"),
    [
        ("prometheus: {enabled: true}", "http.debug.prometheus.enabled"),
        ("addr: ':5000', prometheus: {enabled: true}", "http.debug.addr"),
        ("addr: '127.0.0.1:5000', prometheus: {enabled: true}", "http.debug.addr"),
        ("addr: ':1', prometheus: {enabled: true, path: metrics}", "http.debug.prometheus.path"),
        ("addr: ':1', prometheus: {enabled: true, path: /v2/x}", "http.debug.prometheus.path"),
        ("addr: ':1', prometheus: {enabled: true, path: /m/..}", "http.debug.prometheus.path"),
        ("addr: ':1', prometheus: {enabled: maybe}", "http.debug.prometheus.enabled"),
        (f"prometheus: {{enabled: true, token: '{TOKEN} x'}}", "http.debug.prometheus.token"),
        (
            f"prometheus: {{enabled: true, token: {TOKEN}, token_file: /dev/null}}",
            "http.debug.prometheus.token_file",
        ),
    ],
)
def test_what_cannot_be_meant_stops_the_start(refuse: Refuse, section: str, key: str) -> None:
    problems = refuse(f"http: {{debug: {{{section}}}}}")
    assert problems[0].startswith(f"config.yml: {key}: found ")


def test_what_opens_nothing_is_warned_of(read: Read) -> None:
    (warning,) = read("http: {debug: {addr: ':5001', prometheus: {enabled: false}}}").warnings
    assert warning.startswith("config.yml: http.debug.addr: ignored: ")
