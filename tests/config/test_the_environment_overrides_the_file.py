"""`REGISTRY_...` variables mean what they mean to distribution."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.config.conftest import Read, Refuse


def test_a_variable_overrides_its_key(read: Read) -> None:
    environ = {
        "REGISTRY_PROXY_REMOTEURL": "http://127.0.0.1:5009",
        "REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY": "/srv/mirror",
        "REGISTRY_STORAGE_DELETE_ENABLED": "true",
        "REGISTRY_PROXY_FRESHNESS": "5m",
    }

    config = read("proxy: {remoteurl: 'https://example.com', ttl: 1h}", environ)

    assert config.proxy.remoteurl == "http://127.0.0.1:5009"
    assert config.proxy.ttl == timedelta(hours=1)
    assert config.proxy.freshness.default == timedelta(minutes=5)
    assert str(config.storage.root) == "/srv/mirror"
    assert config.storage.delete_enabled
    assert config.warnings == ()


def test_a_key_may_hold_the_separator(read: Read) -> None:
    config = read("http: {idle_timeout: 5m}", {"REGISTRY_HTTP_IDLE_TIMEOUT": "1500ms"})

    assert config.http.idle_timeout == timedelta(seconds=1.5)
    assert config.warnings == ()


def test_a_variable_for_a_section_replaces_it_before_those_for_its_keys(read: Read) -> None:
    environ = {
        "REGISTRY_PROXY_USERNAME": "robot",
        "REGISTRY_PROXY": "{ttl: 2h, password: secret}",
    }

    config = read("proxy: {ttl: 1h, freshness: 5m}", environ)

    assert config.proxy.ttl == timedelta(hours=2)
    assert config.proxy.freshness.default == timedelta(0)
    assert (config.proxy.username, config.proxy.password) == ("robot", "secret")


def test_the_form_that_names_a_store_keeps_the_more_exact_variables(read: Read) -> None:
    environ = {
        "REGISTRY_STORAGE": "filesystem",
        "REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY": "/srv/mirror",
    }

    config = read("storage: {s3: {bucket: images}}", environ)

    assert str(config.storage.root) == "/srv/mirror"


def test_free_names_become_keys(read: Read) -> None:
    environ = {
        "REGISTRY_LOG_FIELDS_SERVICE": "mirror",
        "REGISTRY_LOG_FIELDS_DATA_CENTRE": "north",
        "REGISTRY_HTTP_HEADERS_X-FRAME-OPTIONS": "[DENY]",
        "REGISTRY_HTTP_HEADERS_X-Two_1": "b",
    }

    config = read("http: {headers: {X-Frame-Options: [ALLOW], X-Two: [a]}}", environ)

    assert config.log.fields == {"service": "mirror", "data_centre": "north"}
    assert config.http.headers == {"X-Frame-Options": ("DENY",), "X-Two": ("a", "b")}


@pytest.mark.parametrize(
    "password", ["#1", "*star", "@at", "%x", "a: b", "!bang", "[", "{", "0123"]
)
def test_a_password_that_is_no_yaml_is_taken_as_it_stands(read: Read, password: str) -> None:
    config = read("", {"REGISTRY_PROXY_USERNAME": "me", "REGISTRY_PROXY_PASSWORD": password})

    assert config.proxy.password == password


def test_quotes_around_a_value_are_yamls(read: Read) -> None:
    environ = {"REGISTRY_PROXY_USERNAME": "me", "REGISTRY_PROXY_PASSWORD": '"#1"'}

    assert read("", environ).proxy.password == "#1"


def test_an_empty_variable_unsets_its_key(read: Read) -> None:
    config = read("proxy: {ttl: 1h}", {"REGISTRY_PROXY_TTL": ""})

    assert config.proxy.ttl == timedelta(hours=168)


@pytest.mark.parametrize(
    "name", ["REGISTRY_PORT", "REGISTRY_", "REGISTRY_PROXY_TTTL", "REGISTRY__X"]
)
def test_a_variable_without_a_key_is_only_warned_of(read: Read, name: str) -> None:
    (warning,) = read("", {name: "tcp://10.0.0.1:80"}).warnings

    assert warning.startswith(f"{name}: ignored")


def test_a_variable_for_a_key_without_meaning_is_warned_of(read: Read) -> None:
    (warning,) = read("", {"REGISTRY_STORAGE_S3_BUCKET": "images"}).warnings

    assert warning.startswith("REGISTRY_STORAGE_S3_BUCKET: storage.s3: ignored: ")


def test_a_mistake_in_a_variable_names_the_variable(refuse: Refuse) -> None:
    (problem,) = refuse("proxy: {ttl: 1h}", {"REGISTRY_PROXY_TTL": "soon"})

    assert problem.startswith("REGISTRY_PROXY_TTL: proxy.ttl: found 'soon'; allowed 0 or a ")


def test_a_right_variable_heals_a_wrong_file(read: Read) -> None:
    config = read("proxy: {ttl: soon}", {"REGISTRY_PROXY_TTL": "1h"})

    assert config.proxy.ttl == timedelta(hours=1)


def test_a_section_in_a_variable_must_be_yaml(refuse: Refuse) -> None:
    (problem,) = refuse("", {"REGISTRY_HTTP_TLS": "{certificate"})

    assert problem.startswith("REGISTRY_HTTP_TLS: http.tls: found a value that is not YAML")
