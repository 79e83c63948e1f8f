"""Which tests start programs; and which run again on PostgreSQL, having to do with a database.

The first are marked `programs`, at collection; of these, the ones that drive a browser `browser`,
too. What asks for the tests' own database is marked `database`. `make test-fast` leaves both out.

With `DATABASE_URL` in the environment (see :mod:`tests.postgresql`), a test is left out unless

- it, or a fixture of it, asks pytest-django for the database; or
- it starts programs, and names `manage.py`: that comes with a database. What it does is followed
  through its fixtures and through the tests' files, see :mod:`tests.reach`.

`@pytest.mark.one_database` is for a test that is about one database by name, or whose program ends
before it has come to any: it is left out, too.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from _pytest.terminal import TerminalReporter
from django.conf import settings
from django.db import connection, connections
from django.test import override_settings
from pytest_django.plugin import DjangoDbBlocker

from tests import reach
from tests.both_databases import OTHER_RUN
from tests.database import SERVER

_LOCK_PATIENCE_MS = 500

#: Fixtures of pytest-django by which a test, or another fixture, asks for the database.
_DATABASES = frozenset({"db", "transactional_db"})

_LEFT_OUT = "mirrorsite_left_out"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        assert isinstance(item, pytest.Function)
        found = reach.of_test(item)
        if found.starts_programs:
            item.add_marker("programs")
        if found.drives_a_browser:
            item.add_marker("browser")
        if _asks_for_the_database(item):
            item.add_marker("database")
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
def django_db_modify_db_settings(
    tmp_path_factory: pytest.TempPathFactory,
    django_db_modify_db_settings_parallel_suffix: None,
) -> None:
    """Have those give up soon who wait for the transaction in which a test itself is.

    Threads of fills, above all: they write what they learned on connections of their own. SQLite's
    file is one as in production: in memory, readers and writers would lock each other out at once.
    """
    database = connections["default"].settings_dict
    if SERVER is not None:
        database["OPTIONS"]["options"] = f"-c lock_timeout={_LOCK_PATIENCE_MS}ms"
        return
    database["TEST"]["NAME"] = str(tmp_path_factory.mktemp("database") / "mirror.sqlite3")


@pytest.fixture(autouse=True)
def nothing_of_other_tests(request: pytest.FixtureRequest) -> None:
    """Threads of fills commit what they write, unless a test's transaction is in their way."""
    marker = request.node.get_closest_marker("django_db")
    if not _asks_for_the_database(request.node):
        return
    commits = marker is not None and marker.kwargs.get("transaction")
    is_in_transaction = not (commits or "transactional_db" in request.fixturenames)
    request.getfixturevalue("db" if is_in_transaction else "transactional_db")
    if SERVER is None:
        # The test itself waits for the others; it would be in vain the other way round.
        with connection.cursor() as cursor:
            cursor.execute(f"PRAGMA busy_timeout = {settings.DATABASE_PATIENCE * 1000}")
        patience = 0 if is_in_transaction else settings.DATABASE_PATIENCE
        connections["default"].settings_dict["OPTIONS"]["timeout"] = patience
    if is_in_transaction:
        from cache import models  # noqa: PLC0415 - Django is set up by now

        models.Repository.objects.all().delete()
        models.Blob.objects.all().delete()
        models.Incident.objects.all().delete()


def pytest_deselected(items: list[pytest.Item]) -> None:
    """In a worker of pytest-xdist: pass on how many, for the counts that close the output."""
    for item in items[:1]:
        output = getattr(item.config, "workeroutput", {})
        output[_LEFT_OUT] = output.get(_LEFT_OUT, 0) + len(items)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """All workers have left out the same."""
    reporter = node.config.pluginmanager.get_plugin("terminalreporter")
    left_out = getattr(node, "workeroutput", {}).get(_LEFT_OUT, 0)
    if left_out:
        reporter.stats["deselected"] = [node] * left_out


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
    return _asks_for_the_database(item) or reach.of_test(item).starts_a_mirror


def _asks_for_the_database(item: pytest.Function) -> bool:
    """Whether the test, or a fixture of it, asks pytest-django for it."""
    if item.get_closest_marker("django_db"):
        return True
    return not _DATABASES.isdisjoint(item.fixturenames)
