"""Passwords are neither in what is printed of a configuration nor in what is said of a mistake."""

from __future__ import annotations

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


@pytest.mark.parametrize(
    "content",
    [
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


def test_a_section_with_a_mistake_is_told_without_it() -> None:
    with pytest.raises(ConfigError) as refused:
        load(None, {"REGISTRY_PROXY": f"{{password: {SECRET}", "MIRROR_CONFIG": "/dev/null"})

    assert SECRET not in str(refused.value)
