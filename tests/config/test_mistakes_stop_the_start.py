"""What cannot be meant is refused: one line for each mistake, and all of them at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from cache.config import ConfigError, load
from tests.config.conftest import Refuse

MISTAKES = [
    ("version: 0.2", "version", "0.1"),
    ("log: {level: loud}", "log.level", "debug, info, warn or error"),
    ("log: {formatter: xml}", "log.formatter", "text or json"),
    ("log: {fields: [a]}", "log.fields", "a mapping of names to values"),
    ("log: {fields: {'a b': c}}", "log.fields.a b", "a name"),
    ("log: loud", "log", "a mapping of "),
    ("storage: {filesystem: {rootdirectory: [a]}}", "storage.filesystem.rootdirectory", "a single"),
    ("storage: {delete: {enabled: 1}}", "storage.delete.enabled", "true or false"),
    ("storage: {delete: {enabled: 'true'}}", "storage.delete.enabled", "true or false"),
    ("storage: {scrub: weekly}", "storage.scrub", "a mapping of "),
    ("storage: {scrub: {interval: weekly}}", "storage.scrub.interval", "0 or a duration"),
    ("storage: {scrub: {rate: 20}}", "storage.scrub.rate", "a size with its unit"),
    ("storage: {scrub: {rate: 1KiB}}", "storage.scrub.rate", "at least 64KiB"),
    ("http: {addr: '5000'}", "http.addr", "host:port"),
    ("http: {addr: ':0'}", "http.addr", "host:port"),
    ("http: {addr: ':65536'}", "http.addr", "host:port"),
    ("http: {addr: '::1:5000'}", "http.addr", "host:port"),
    ("http: {addr: '[12::x]:5000'}", "http.addr", "host:port"),
    ("http: {addr: /run/mirror.sock}", "http.addr", "host:port"),
    ("http: {draintimeout: 25h}", "http.draintimeout", "a duration from 0 to 24h"),
    ("http: {draintimeout: 30}", "http.draintimeout", "a duration with its unit"),
    ("http: {accel: {prefix: _store}}", "http.accel.prefix", "a path with / at both ends"),
    ("http: {accel: {prefix: /a/../b/}}", "http.accel.prefix", "a path with / at both ends"),
    ("http: {accel: {prefix: /v2/x/}}", "http.accel.prefix", "a path with / at both ends"),
    ("http: {accel: {prefix: /}}", "http.accel.prefix", "a path with / at both ends"),
    ("http: {accel: {prefix: /_store/}}", "http.accel.prefix", "none without http.trusted_proxies"),
    ("http: {idle_timeout: 0}", "http.idle_timeout", "a duration from 1ms to 24h"),
    ("http: {idle_timeout: 25h}", "http.idle_timeout", "a duration from 1ms to 24h"),
    ("http: {idle_timeout: 60}", "http.idle_timeout", "a duration with its unit"),
    ("http: {headers: {X-A: nosniff}}", "http.headers.X-A", "a list"),
    ("http: {headers: {X-A: ['a\\\\u000ab']}}".replace("'", '"').replace("\\\\", "\\"),
     "http.headers.X-A.0", "printable ASCII"),
    ("http: {headers: {Content-Length: ['3']}}", "http.headers.Content-Length", "a header that"),
    ("http: {headers: {'X A': ['3']}}", "http.headers.X A", "the name of an HTTP header"),
    ("http: {tls: {certificate: none.pem}}", "http.tls.certificate", "the path of a readable file"),
    ("http: {tls: {clientcas: ca.pem}}", "http.tls.clientcas", "a list"),
    ("proxy: {remoteurl: registry-1.docker.io}", "proxy.remoteurl", "http:// or https://"),
    ("proxy: {remoteurl: 'ftp://example.com'}", "proxy.remoteurl", "http:// or https://"),
    ("proxy: {remoteurl: 'https://'}", "proxy.remoteurl", "http:// or https://"),
    ("proxy: {remoteurl: 'https://a b'}", "proxy.remoteurl", "http:// or https://"),
    ("proxy: {remoteurl: 'https://a:0'}", "proxy.remoteurl", "http:// or https://"),
    ("proxy: {remoteurl: 'https://a:99999'}", "proxy.remoteurl", "http:// or https://"),
    ("proxy: {remoteurl: 'https://[::1'}", "proxy.remoteurl", "http:// or https://"),
    ("proxy: {remoteurl: 'https://a/v2'}", "proxy.remoteurl", "http:// or https://"),
    ("proxy: {remoteurl: 'https://a?b'}", "proxy.remoteurl", "http:// or https://"),
    ("proxy: {remoteurl: 'https://a/#'}", "proxy.remoteurl", "http:// or https://"),
    ("proxy: {ttl: 168}", "proxy.ttl", "a duration with its unit"),
    ("proxy: {ttl: -1h}", "proxy.ttl", "0 or a duration"),
    ("proxy: {ttl: 1d}", "proxy.ttl", "0 or a duration"),
    ("proxy: {ttl: 99999999h}", "proxy.ttl", "a duration of at most"),
    ("proxy: {freshness: soon}", "proxy.freshness", "0 or a duration"),
    ("proxy: {on_deleted: forget}", "proxy.on_deleted", "keep or drop"),
    ("proxy: {negative_ttl: 10}", "proxy.negative_ttl", "a duration with its unit"),
    ("proxy: {stall_timeout: 0s}", "proxy.stall_timeout", "a duration from"),
    ("proxy: {username: me}", "proxy.password", "a password, as proxy.username is set"),
    ("proxy: {password: p}", "proxy.username", "a username, as proxy.password is set"),
    ("proxy: {username: 'a:b', password: p}", "proxy.username", "a user name without a colon"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "key", "allowed"), MISTAKES)
def test_one_line_names_file_key_found_and_allowed(
    refuse: Refuse, content: str, key: str, allowed: str
) -> None:
    (problem,) = refuse(content)

    assert problem.startswith(f"config.yml: {key}: found ")
    assert f"; allowed {allowed}" in problem
    assert "\n" not in problem


def test_all_mistakes_are_reported_together(refuse: Refuse) -> None:
    problems = refuse(
        "log: {level: loud}\nproxy: {ttl: soon}\nhtpp: {}", {"REGISTRY_HTTP_ADDR": "x"}
    )

    assert [problem.split(": found")[0] for problem in problems] == [
        "config.yml: htpp",
        "config.yml: log.level",
        "REGISTRY_HTTP_ADDR: http.addr",
        "config.yml: proxy.ttl",
    ]


def test_an_unknown_key_is_answered_with_the_nearest_one(refuse: Refuse) -> None:
    (problem,) = refuse("proxy: {remote_url: 'https://a'}")

    assert problem.startswith("config.yml: proxy.remote_url: found an unknown key; ")
    assert problem.endswith("; allowed remoteurl (did you mean that?)")


def test_an_unknown_key_unlike_any_other_is_answered_with_all(refuse: Refuse) -> None:
    (problem,) = refuse("storage: {delete: {zzz: 1}}")

    assert problem.endswith("; allowed enabled")


def test_a_key_given_twice_is_a_mistake(refuse: Refuse) -> None:
    assert refuse("proxy: {}\nlog: {}\nproxy: {}") == (
        "config.yml: line 3, column 1: the key 'proxy' is given twice",
    )


@pytest.mark.parametrize(
    "content",
    [
        "a: [1, 2",
        "a: b: c",
        "\tb: 1",
        "a: *nothing",
        "--- {}\n--- {}",
        "[" * 5000 + "]" * 5000,
        "? [a]\n: b",
        "log: !!python/object:os.system {}",
        "log: !!set {a}",
        "log: !!binary x",
        "a: \x00",
        'a: "\\UFFFFFFFF"',
        "%YAML 9" + "9" * 5000 + ".1\n---\n{}",
    ],
)
def test_what_is_not_yaml_is_one_line(refuse: Refuse, content: str) -> None:
    (problem,) = refuse(content)

    assert problem.startswith("config.yml: ")
    assert "\n" not in problem


def test_a_syntax_error_says_where_it_is(refuse: Refuse) -> None:
    (problem,) = refuse("log:\n  level: debug\n bad: x")

    assert problem.startswith("config.yml: line 3, column 2: ")


def test_aliases_cannot_make_a_small_file_large(refuse: Refuse) -> None:
    levels = "\n".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12))

    (problem,) = refuse(f"a0: &a0 [x]\n{levels}")

    assert "too large once its aliases are followed" in problem


def test_an_alias_of_itself_ends(refuse: Refuse) -> None:
    (problem,) = refuse("log: &a {fields: *a}")

    assert "too large once its aliases are followed" in problem


def test_the_document_must_be_a_mapping(refuse: Refuse) -> None:
    (problem,) = refuse("- version: 0.1")

    assert problem.startswith("config.yml: found a list; allowed a mapping of ")


def test_a_large_file_is_not_read(refuse: Refuse) -> None:
    (problem,) = refuse("#" * 300_000)

    assert "found a larger file; allowed at most 262144 bytes" in problem


def test_a_file_that_is_not_utf8_is_refused(here: Path) -> None:
    (here / "config.yml").write_bytes(b"log: \xff\xfe")

    with pytest.raises(ConfigError, match="bytes that are not UTF-8"):
        load(None, {})


@pytest.mark.parametrize("name", ["missing.yml", ".", "a\0b"])
def test_a_named_file_must_be_there(here: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="YAML file") as refused:
        load(None, {"MIRROR_CONFIG": name})

    assert len(refused.value.problems) == 1
