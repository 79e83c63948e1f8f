"""A key of distribution's that means nothing here is accepted, and named in a warning."""

from __future__ import annotations

import pytest

from tests.config.conftest import Read

OTHERS = [
    ("loglevel: debug", "loglevel"),
    ("log: {hooks: [{type: mail}]}", "log.hooks"),
    ("log: {reportcaller: true}", "log.reportcaller"),
    ("storage: {filesystem: {maxthreads: 100}}", "storage.filesystem.maxthreads"),
    ("storage: {s3: {bucket: images}}", "storage.s3"),
    ("storage: s3", "storage.s3"),
    ("storage: {inmemory: }", "storage.inmemory"),
    ("storage: {gcs: {bucket: b}}", "storage.gcs"),
    ("storage: {azure: {container: c}}", "storage.azure"),
    ("storage: {swift: {container: c}}", "storage.swift"),
    ("storage: {oss: {bucket: b}}", "storage.oss"),
    ("storage: {cache: {blobdescriptor: redis}}", "storage.cache"),
    ("storage: {maintenance: {readonly: {enabled: true}}}", "storage.maintenance"),
    ("storage: {redirect: {disable: true}}", "storage.redirect"),
    ("storage: {tag: {concurrencylimit: 8}}", "storage.tag"),
    ("auth: {htpasswd: {realm: r, path: p}}", "auth"),
    ("middleware: {storage: [{name: redirect}]}", "middleware"),
    ("reporting: {bugsnag: {apikey: k}}", "reporting"),
    ("notifications: {endpoints: [{name: n}]}", "notifications"),
    ("redis: {addrs: [localhost:6379]}", "redis"),
    ("health: {storagedriver: {enabled: true}}", "health"),
    ("validation: {disabled: true}", "validation"),
    ("catalog: {maxentries: 5}", "catalog"),
    ("policy: {repository: {classes: [image]}}", "policy"),
    ("compatibility: {schema1: {enabled: true}}", "compatibility"),
    ("http: {debug: {addr: ':5001'}}", "http.debug.addr"),
    ("http: {http2: {disabled: true}}", "http.http2"),
    ("http: {h2c: {enabled: true}}", "http.h2c"),
    ("http: {secret: s}", "http.secret"),
    ("http: {prefix: /p/}", "http.prefix"),
    ("http: {host: 'https://m'}", "http.host"),
    ("http: {net: tcp}", "http.net"),
    ("http: {relativeurls: true}", "http.relativeurls"),
    ("http: {tls: {letsencrypt: {email: e}}}", "http.tls.letsencrypt"),
    ("http: {tls: {minimumtls: tls1.3}}", "http.tls.minimumtls"),
    ("http: {tls: {ciphersuites: [x]}}", "http.tls.ciphersuites"),
    ("proxy: {remotenamespace: library}", "proxy.remotenamespace"),
]


@pytest.mark.parametrize(("content", "key"), OTHERS)
def test_one_warning_names_the_key(read: Read, content: str, key: str) -> None:
    (warning,) = read(content).warnings

    assert warning.startswith(f"config.yml: {key}: ignored: ")


def test_each_key_has_its_own_warning(read: Read) -> None:
    warnings = read("http: {secret: s, net: tcp}\nredis: {db: 0}").warnings

    assert len(warnings) == 3


def test_a_warning_shows_no_value(read: Read) -> None:
    warnings = read("http: {secret: hunter2}", {"REGISTRY_REDIS_PASSWORD": "hunter2"}).warnings

    assert len(warnings) == 2
    assert "hunter2" not in "".join(warnings)


def test_logstash_is_json(read: Read) -> None:
    config = read("log: {formatter: logstash}")

    assert config.log.formatter == "json"
    assert len(config.warnings) == 1


def test_the_variable_for_distributions_file_is_pointed_elsewhere(read: Read) -> None:
    (warning,) = read("", {"REGISTRY_CONFIGURATION_PATH": "/etc/registry.yml"}).warnings

    assert "MIRROR_CONFIG" in warning


def test_hubs_short_name_is_replaced_with_a_warning(read: Read) -> None:
    (warning,) = read("proxy: {remoteurl: 'https://docker.io'}").warnings

    assert "https://registry-1.docker.io" in warning
