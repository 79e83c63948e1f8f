"""A command that was given another database than the mirror uses refuses, and touches neither."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.commands.shell import CALLS, commands, environ_of, run

pytestmark = pytest.mark.one_database

#: The mirror's, which is not even asked: its name alone is compared.
URL = "postgresql://mirror:secret-word@db.example:6432/records?sslmode=require"
USED = {"engine": "PostgreSQL", "host": "db.example", "port": 6432, "name": "records"}

#: They open no database, or (serve, doctor, migrate_database) have their own words.
FREE = {"client_config", "doctor", "migrate_database", "rotate_keys", "serve"}

ACCOUNT = ("createsuperuser", "--noinput", "--username", "x", "--email", "x@example.org")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A mirror with SQLite, as it is after its first start."""
    root = tmp_path / "root"
    ended = run(("warm", "thing", "--dry-run"), environ_of(root))
    assert (root / "mirror.sqlite3").exists(), str(ended)
    return root


def moved(root: Path) -> Path:
    """The same after it was moved to PostgreSQL: the old file is still there."""
    (root / "database.json").write_text(json.dumps(USED))
    return root


def is_active(root: Path, name: str) -> bool:
    with closing(sqlite3.connect(root / "mirror.sqlite3")) as database:
        query = "SELECT is_active FROM auth_user WHERE username = ?"
        return database.execute(query, (name,)).fetchall() == [(1,)]


def test_which_one_it_is_stands_in_the_root(root: Path) -> None:
    file = root / "database.json"

    assert json.loads(file.read_text())["engine"] == "SQLite"
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(root.glob(".database.json*")) == []


@pytest.mark.parametrize("name", sorted(set(commands()) - FREE))
def test_each_command_refuses(name: str, root: Path) -> None:
    ended = run((name, *CALLS[name]), environ_of(moved(root)))

    assert (ended.code, ended.out) == (2, ""), str(ended)
    said = f"the mirror in {root} uses PostgreSQL records on db.example, port 6432, and this was "
    assert said + "given SQLite (no DATABASE_URL): set DATABASE_URL to it" in ended.err


@pytest.mark.parametrize("command", [ACCOUNT, ("changepassword", "x"), ("migrate",)])
def test_so_do_djangos(command: tuple[str, ...], root: Path) -> None:
    ended = run(command, environ_of(moved(root)))

    assert ended.code == 2
    assert "uses PostgreSQL records on db.example" in ended.err


def test_nothing_is_changed_in_the_other_one(root: Path) -> None:
    assert run(("user", "create", "--no-password", "alice"), environ_of(root)).code == 0

    ended = run(("user", "deactivate", "alice"), environ_of(moved(root)))

    assert ended.code == 2, str(ended)
    assert is_active(root, "alice")


def test_one_that_is_given_postgresql_by_mistake(root: Path) -> None:
    ended = run(("user", "list"), environ_of(root, DATABASE_URL=URL))

    assert ended.code == 2
    assert "uses SQLite (no DATABASE_URL), and this was given PostgreSQL records" in ended.err
    assert "unset DATABASE_URL" in ended.err
    assert "secret-word" not in ended.err


@pytest.mark.parametrize(
    "url",
    [
        URL,
        "postgres://other:user@db.example:6432/records",
        "postgresql:///records?host=db.example&port=6432",
    ],
)
def test_the_same_database_in_other_words(url: str, root: Path) -> None:
    ended = run(("user", "list"), environ_of(moved(root), DATABASE_URL=url))

    assert ended.code == 2
    assert "the database failed: " in ended.err, "it was asked, and is not there"


def test_help_needs_no_database(root: Path) -> None:
    assert run(("user", "--help"), environ_of(moved(root))).code == 0


def test_a_command_makes_no_empty_database(root: Path) -> None:
    for path in root.glob("mirror.sqlite3*"):
        path.unlink()

    ended = run(("user", "list"), environ_of(root))

    assert ended.code == 2
    assert f"there is no database {root / 'mirror.sqlite3'}: start the mirror first" in ended.err
    assert not (root / "mirror.sqlite3").exists()


@pytest.mark.parametrize("content", ["", "[]", '{"engine": "SQLite", "more": 1}', "\udcff"])
def test_a_file_that_says_nothing(content: str, root: Path) -> None:
    (root / "database.json").write_bytes(content.encode(errors="surrogateescape"))

    ended = run(("user", "list"), environ_of(root))

    assert ended.code == 2
    assert "does not say which database the mirror uses: start the mirror" in ended.err
