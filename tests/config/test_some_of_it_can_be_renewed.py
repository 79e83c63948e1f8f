"""What is read again while the mirror runs, what stays, and what is said of it."""

from __future__ import annotations

import pytest

from cache.config import differences, renewed
from tests.config.conftest import Read

OLD = "storage: {filesystem: {rootdirectory: /old}}\n"


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("storage: {filesystem: {rootdirectory: /new}}", "storage.filesystem.rootdirectory"),
        (OLD + "http: {addr: ':5001'}", "http.addr"),
        (OLD + "http: {idle_timeout: 5s}", "http.idle_timeout"),
        (OLD + "http: {draintimeout: 5s}", "http.draintimeout"),
    ],
)
def test_what_was_opened_stays(read: Read, text: str, key: str) -> None:
    old = read(OLD)

    config, fixed = renewed(old, read(text + "\nlog: {level: debug}" * ("\n" not in text)))

    assert fixed == (key,)
    assert (config.storage, config.http) == (old.storage, old.http)
    assert "http" not in differences(old, config)


def test_the_database_stays(read: Read) -> None:
    new = read(OLD, {"DATABASE_URL": "postgresql://u:p@h/d"})

    config, fixed = renewed(read(OLD), new)

    assert fixed == ("DATABASE_URL",)
    assert config.database_url is None


def test_the_rest_is_renewed(read: Read) -> None:
    old = read(OLD)
    new = read(
        OLD
        + "log: {level: debug}\n"
        + "http: {headers: {X-A: [b]}, trusted_proxies: 10.0.0.0/8}\n"
        + "access: {anonymous: none}\n"
        + "proxy: {username: u, password: p}\n"
        + "upstreams: {ghcr.io: }\n"
        + "retention: {max_size: 1GiB}\n"
    )

    config, fixed = renewed(old, new)

    assert (config, fixed) == (new, ())
    changed = ("log", "http", "access", "proxy", "upstreams", "retention")
    assert differences(old, config) == changed
    assert differences(new, config) == ()
