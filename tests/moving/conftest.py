"""A PostgreSQL to move to, with an empty database for each test."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import psycopg
import pytest

from tests.e2e.processes import scratch
from tests.faults.postgres import Postgres

#: Run statements in the server's first database, as its superuser.
Administer: TypeAlias = Callable[..., None]


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    with scratch("pg") as home, Postgres(home) as postgres:
        yield postgres


@pytest.fixture(scope="session")
def administer(postgres: Postgres) -> Administer:
    def run(*statements: str, database: str = postgres.url) -> None:
        with psycopg.connect(database, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    return run


@pytest.fixture(scope="session")
def new_database(postgres: Postgres, administer: Administer) -> Callable[[], str]:
    """The address of a database with nothing in it."""
    numbers = itertools.count()

    def make() -> str:
        name = f"empty{next(numbers)}"
        administer(f"CREATE DATABASE {name}")
        return f"{postgres.url.rpartition('/')[0]}/{name}"

    return make


@pytest.fixture
def url(new_database: Callable[[], str]) -> str:
    return new_database()


def asked(url: str, query: str, *parameters: object) -> list[tuple[Any, ...]]:
    """What a database of PostgreSQL answers."""
    with psycopg.connect(url) as connection:
        return connection.execute(query.encode(), parameters or None).fetchall()


def tables_in(url: str) -> list[str]:
    """The tables that somebody has made there."""
    query = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename"
    return [str(name) for (name,) in asked(url, query)]
