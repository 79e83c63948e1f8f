"""The database of a mirror that a test starts, by the folder that the mirror keeps all else in.

It is the SQLite file in there; or, where the tests' own `DATABASE_URL` names a PostgreSQL server
(see :mod:`tests.postgresql`), a database of that server for each folder.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

#: Where the databases are made; None for SQLite.
SERVER = os.environ.get("DATABASE_URL") or None


def variables(root: Path | str) -> dict[str, str]:
    """What the environment of a mirror with this root, or of its commands, needs in addition."""
    return {} if SERVER is None else {"DATABASE_URL": url(root)}


@cache
def _make(name: str) -> str:
    """A new, empty database, as empty as the folder was when the test made it."""
    assert SERVER is not None
    with psycopg.connect(SERVER, autocommit=True) as connection:
        named = sql.Identifier(name)
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(named))
        connection.execute(sql.SQL("CREATE DATABASE {}").format(named))
    return f"{SERVER.rpartition('/')[0]}/{name}"


def url(root: Path | str) -> str:
    """The address of the folder's database in PostgreSQL, which is made when first asked for."""
    return _make(f"root_{hashlib.sha256(os.fsencode(root)).hexdigest()[:20]}")


def copy(origin: Path, root: Path) -> None:
    """Have the folder's database in PostgreSQL be as that of another one, which nobody uses now."""
    assert SERVER is not None
    own, other = (url(folder).rpartition("/")[2] for folder in (root, origin))
    with psycopg.connect(SERVER, autocommit=True) as connection:
        named = sql.Identifier(own)
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(named))
        template = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        connection.execute(template.format(named, sql.Identifier(other)))


def rows(root: Path, query: str, *parameters: object) -> list[tuple[Any, ...]]:
    """What a query says, with `?` for each parameter.

    Times are texts in SQLite; here, as there, a later one is the greater one.
    """
    if SERVER is not None:
        with psycopg.connect(url(root), options="-c timezone=UTC") as server:
            return server.execute(_native(query), parameters).fetchall()
    with closing(sqlite3.connect(_file(root), timeout=30)) as connection:
        return connection.execute(query, parameters).fetchall()


def change(root: Path, statement: str, *parameters: object) -> int:
    """Change the records behind the mirror's back; how many rows that were."""
    if SERVER is not None:
        with psycopg.connect(url(root), options="-c timezone=UTC") as server:
            return server.execute(_native(statement), parameters).rowcount
    with closing(sqlite3.connect(_file(root), timeout=30)) as connection, connection:
        return connection.execute(statement, parameters).rowcount


def _native(query: str) -> bytes:
    return query.replace("?", "%s").encode()


def _file(root: Path) -> Path:
    return root / "mirror.sqlite3"
