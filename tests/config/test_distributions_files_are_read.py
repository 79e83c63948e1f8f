"""A file written for distribution's registry configures this mirror."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from cache.config import Address, load
from tests.config.conftest import Read

MIRROR = """
version: 0.1
log:
  level: debug
  formatter: json
  fields:
    service: registry
    shard: 007
storage:
  filesystem:
    rootdirectory: /var/lib/registry
  delete:
    enabled: true
http:
  addr: 127.0.0.1:5001
  draintimeout: 60s
  headers:
    X-Content-Type-Options: [nosniff]
proxy:
  remoteurl: https://registry.example.com:8443/
  username: robot
  password: 0123
  ttl: 1h30m
  freshness: 90s
  on_deleted: keep
  negative_ttl: 1m
  connect_timeout: 1s
  first_byte_timeout: 2s
  stall_timeout: 3s
"""


def test_every_key_that_is_meant_here_arrives(read: Read) -> None:
    config = read(MIRROR)

    assert config.log.level == "debug"
    assert config.log.formatter == "json"
    assert config.log.fields == {"service": "registry", "shard": "007"}
    assert config.storage.root == Path("/var/lib/registry")
    assert config.storage.delete_enabled
    assert config.http.addr == Address("127.0.0.1", 5001)
    assert config.http.draintimeout == timedelta(seconds=60)
    assert config.http.headers == {"X-Content-Type-Options": ("nosniff",)}
    assert config.proxy.remoteurl == "https://registry.example.com:8443"
    assert (config.proxy.username, config.proxy.password) == ("robot", "0123")
    assert config.proxy.ttl == timedelta(hours=1, minutes=30)
    assert config.proxy.freshness.default == timedelta(seconds=90)
    assert config.proxy.on_deleted == "keep"
    assert config.proxy.negative_ttl == timedelta(minutes=1)
    assert config.proxy.connect_timeout == timedelta(seconds=1)
    assert config.proxy.first_byte_timeout == timedelta(seconds=2)
    assert config.proxy.stall_timeout == timedelta(seconds=3)
    assert config.warnings == ()


def test_nothing_configured_is_a_mirror_of_docker_hub(here: Path) -> None:
    config = load(None, {})

    assert config.storage.root == here / "data"
    assert not config.storage.delete_enabled
    assert config.http.addr == Address("", 5000)
    assert config.http.tls is None
    assert config.http.idle_timeout == timedelta(seconds=60)
    assert config.http.draintimeout == timedelta(seconds=30)
    assert config.proxy.remoteurl == "https://registry-1.docker.io"
    assert config.proxy.ttl == timedelta(hours=168)
    assert config.proxy.freshness.default == timedelta(0)
    assert config.database_url is None
    assert (config.proxy.name, config.proxy.is_hub) == ("docker.io", True)


def test_a_key_with_nothing_after_it_is_not_set(read: Read) -> None:
    config = read("log:\nproxy:\n  ttl:\n  username: ''\nhttp:\n  tls:\n")

    assert config.proxy.ttl == timedelta(hours=168)
    assert config.http.tls is None


def test_a_lone_word_names_the_store(read: Read) -> None:
    assert read("storage: filesystem").warnings == ()


def test_a_zero_lifetime_is_for_ever(read: Read) -> None:
    assert read("proxy: {ttl: 0}").proxy.ttl is None
    assert read("proxy: {ttl: 0s}").proxy.ttl is None


def test_anchors_and_merges_are_followed(read: Read) -> None:
    config = read(
        """
        proxy: &upstream {ttl: 1h, freshness: 1m}
        log: {fields: &fields {site: north, rack: one}}
        http: {headers: {X-Site: [*site]}}
        """.replace("north", "&site north")
    )

    assert config.http.headers == {"X-Site": ("north",)}
    assert config.proxy.ttl == timedelta(hours=1)


def test_a_merge_gives_way_to_what_is_written_out(read: Read) -> None:
    config = read("log: {fields: {<<: [{a: first, b: first}, {a: second}], b: own}}")

    assert config.log.fields == {"a": "first", "b": "own"}


def test_a_relative_root_is_below_the_current_directory(read: Read, here: Path) -> None:
    config = read("storage: {filesystem: {rootdirectory: cache/blobs}}")

    assert config.storage.root == here / "cache" / "blobs"


def test_hub_has_several_names(read: Read) -> None:
    for name in ("docker.io", "index.docker.io", "registry-1.docker.io"):
        config = read(f"proxy: {{remoteurl: 'https://{name}'}}")
        assert config.proxy.is_hub
        assert config.proxy.remoteurl == "https://registry-1.docker.io"


def test_another_upstream_is_named_by_its_host_and_port(read: Read) -> None:
    config = read("proxy: {remoteurl: 'http://Registry.Example.com:5000'}")

    assert (config.proxy.name, config.proxy.is_hub) == ("registry.example.com:5000", False)


def test_the_variable_names_the_file(here: Path) -> None:
    (here / "config.yml").write_text("log: {level: debug}")
    (here / "other.yml").write_text("log: {level: error}")

    assert load(None, {"MIRROR_CONFIG": "other.yml"}).log.level == "error"
    assert load(None, {}).log.level == "debug"
