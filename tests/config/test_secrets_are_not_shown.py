"""Passwords are neither in what is printed of a configuration nor in what is said of a mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from cache.config import ConfigError, load
from tests.config.conftest import Read, Refuse

SECRET = "hunter2"


def test_a_printed_configuration_holds_no_password(read: Read) -> None:
    config = read(
        f"proxy: {{username: me, password: {SECRET}}}",
        {"DATABASE_URL": f"postgresql://me:{SECRET}@db/mirror"},
    )

    assert config.proxy.password == SECRET
    assert config.database_url == f"postgresql://me:{SECRET}@db/mirror"
    assert SECRET not in repr(config)


def test_nor_one_from_a_file_or_of_a_proxy(read: Read, here: Path) -> None:
    (here / "file").write_text(SECRET)

    config = read(
        "upstreams: {a.b: {username: me, password_file: file,"
        f" proxy: 'http://me:{SECRET}@egress:3128'}}}}"
    )

    assert config.others[0].password == SECRET
    assert SECRET in config.others[0].proxy
    assert SECRET not in repr(config)


@pytest.mark.parametrize(
    "content",
    [
        f"proxy: {{proxy: 'http://me:{SECRET}@egress'}}",
        f"proxy: {{proxy: 'http://me:{SECRET}@egress:1/path'}}",
        f"proxy: {{proxy: 'http://me:{SECRET}@[egress:1'}}",
        f"proxy: {{proxy: 'me:{SECRET}@egress:3128'}}",
        f'proxy: {{proxy: "http://me:{SECRET}\\n@egress:1"}}',
        f"proxy: {{proxy: ['http://me:{SECRET}@egress:1']}}",
        f"proxy: {{auth_realm: 'https://me:{SECRET}@example.com'}}",
        f"proxy: {{remoteurl: 'me:{SECRET}@example.com'}}",
        f"proxy: {{remoteurl: 'https:/me:{SECRET}@example.com'}}",
        f"proxy: {{username: me, password_file: {SECRET}}}",
        f"upstreams: {{a.b: {{username: me, password: p, password_file: {SECRET}}}}}",
        f"upstreams: {{a.b: {{password: {SECRET}}}}}",
        f"upstreams: {{a.b: {{username: me, password: {{{SECRET}: x}}}}}}",
        f"proxy: 'password={SECRET}'",
        f"proxy: {{username: me, password: [{SECRET}]}}",
        f'proxy: {{username: me, password: "{SECRET}\\n"}}',
        f"proxy: {{remoteurl: 'https://me:{SECRET}@example.com'}}",
        f"proxy: {{remoteurl: 'https://me:{SECRET}@[example.com'}}",
    ],
)
def test_a_mistake_in_the_file_is_told_without_it(refuse: Refuse, content: str) -> None:
    assert SECRET not in "".join(refuse(content))


@pytest.mark.parametrize(
    "url",
    [
        f"mysql://me:{SECRET}@db/mirror",
        f"postgres://me:{SECRET}@db",
        f"postgres://me:{SECRET}@db:port/mirror",
        f"me:{SECRET}@db/mirror",
        SECRET,
    ],
)
def test_a_mistake_in_the_database_is_told_without_it(refuse: Refuse, url: str) -> None:
    (problem,) = refuse("", {"DATABASE_URL": url})

    assert problem.startswith("DATABASE_URL: found ")
    assert "allowed postgresql://user:password@host:port/database" in problem
    assert SECRET not in problem


@pytest.mark.parametrize("content", [f"{SECRET}\0", f"{SECRET}\n" * 9999, f"me:{SECRET}"])
def test_a_mistake_in_a_file_is_told_without_it(refuse: Refuse, here: Path, content: str) -> None:
    (here / "file").write_text(content)

    assert SECRET not in "".join(refuse("proxy: {username_file: file, password_file: file}"))


def test_a_registrys_name_hides_nothing(refuse: Refuse) -> None:
    (problem,) = refuse("upstreams: {secret.example: {offline: 'perhaps'}}")

    assert "found 'perhaps'" in problem


def test_a_section_with_a_mistake_is_told_without_it() -> None:
    with pytest.raises(ConfigError) as refused:
        load(None, {"REGISTRY_PROXY": f"{{password: {SECRET}", "MIRROR_CONFIG": "/dev/null"})

    assert SECRET not in str(refused.value)
