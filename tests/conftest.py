"""Which tests run again on PostgreSQL: those that a database has a part in.

With `DATABASE_URL` in the environment (see :mod:`tests.postgresql`), a test is left out unless

- it, or a fixture of it, asks pytest-django for the database; or
- its file, the file of one of its fixtures, or one of the tests' files that these import, starts
  programs, and names `manage.py`: that comes with a database.

`@pytest.mark.one_database` is for a test that is about one database by name: it is left out, too.
"""

from __future__ import annotations

import ast
import fcntl
import os
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from _pytest.terminal import TerminalReporter
from django.db import connection, connections
from django.test import override_settings
from pytest_django.plugin import DjangoDbBlocker

from tests.both_databases import OTHER_RUN
from tests.database import SERVER

_LOCK_PATIENCE_MS = 500


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if SERVER is None:
        return
    again = [item for item in items if _has_a_database(item)]
    config.hook.pytest_deselected(items=[item for item in items if item not in set(again)])
    items[:] = again


@pytest.fixture(scope="session", autouse=True)
def quick_passwords() -> Iterator[None]:
    """The mirror's own hash has a million rounds: for most tests, more work than all the rest."""
    with override_settings(PASSWORD_HASHERS=["tests.access.hasher.Quick"]):
        yield


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    """Have those give up soon who wait for the transaction in which a test itself is.

    Threads of fills, above all: they write what they learned on connections of their own.
    """
    if SERVER is not None:
        options = connections["default"].settings_dict["OPTIONS"]
        options["options"] = f"-c lock_timeout={_LOCK_PATIENCE_MS}ms"


@pytest.fixture(autouse=True)
def nothing_of_other_tests(request: pytest.FixtureRequest) -> None:
    """Threads of fills commit what they write, where it is no database in the test's own memory."""
    marker = request.node.get_closest_marker("django_db")
    if SERVER is None or marker is None or marker.kwargs.get("transaction"):
        return
    request.getfixturevalue("db")
    from cache import models  # noqa: PLC0415 - Django is set up by now

    models.Repository.objects.all().delete()
    models.Blob.objects.all().delete()
    models.Incident.objects.all().delete()


def pytest_report_header() -> str:
    return f"database: {'SQLite' if SERVER is None else 'PostgreSQL'}"


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    """Wait for the run on PostgreSQL, if there is one, and show what it has to say."""
    other = os.environ.get(OTHER_RUN)
    if other is None or SERVER is not None:
        return
    with Path(other).open(encoding="utf-8", errors="replace") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        said = file.read()
    _, failed, failures = said.partition("= FAILURES =")
    _, erred, errors = said.partition("= ERRORS =")
    terminalreporter.write_sep("-", "on PostgreSQL")
    last = said.rstrip().rpartition("\n")[2]
    shown = max(failed + failures, erred + errors, key=len) or last
    terminalreporter.write(f"{shown}\n")


@pytest.fixture(scope="session")
def django_db_setup(
    django_db_setup: None,
    django_db_blocker: DjangoDbBlocker,
) -> Iterator[None]:
    """End the sessions that threads of the tests have left: PostgreSQL drops no database in use."""
    yield
    if SERVER is None:
        return
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def _has_a_database(item: pytest.Item) -> bool:
    assert isinstance(item, pytest.Function)
    if item.get_closest_marker("one_database"):
        return False
    if item.get_closest_marker("django_db") or {"db", "transactional_db"} & {*item.fixturenames}:
        return True
    fixtures = item._fixtureinfo.name2fixturedefs.values()
    files = {item.module.__name__, *(each[-1].func.__module__ for each in fixtures)}
    return any(starts_a_mirror(name) for name in files)


@cache
def starts_a_mirror(name: str) -> bool:
    """Whether the module, or what it imports of the tests, starts `manage.py`."""
    seen, ahead = set[str](), [name]
    while ahead:
        module = ahead.pop()
        if module in seen or not module.startswith("tests."):
            continue
        seen.add(module)
        is_one, imported = _read(module)
        if is_one:
            return True
        ahead += imported
    return False


@cache
def _read(module: str) -> tuple[bool, tuple[str, ...]]:
    """Whether a file of the tests starts the program itself; and what it imports."""
    path = getattr(sys.modules.get(module), "__file__", None)
    if path is None:
        return False, ()
    nodes = list(ast.walk(ast.parse(Path(path).read_text("utf-8"))))
    imported = set[str]()
    for node in nodes:
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            imported |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    texts = {node.value for node in nodes if isinstance(node, ast.Constant)}
    return "manage.py" in texts and "subprocess" in imported, tuple(imported)
