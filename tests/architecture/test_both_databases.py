"""The run on PostgreSQL leaves out no test that a database has a part in, nor uses SQLite there."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from _pytest.mark.expression import Expression

from tests import both_databases, reach

ROOT = Path(__file__).parents[2]


def _files() -> dict[str, str]:
    paths = sorted((ROOT / "tests").rglob("*.py"))
    return {str(path.relative_to(ROOT)): path.read_text("utf-8") for path in paths}


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("tests.e2e.mirror", True),
        ("tests.retention.operator", True),
        ("tests.e2e.processes", False),
        ("tests.architecture.test_both_databases", False),
    ],
)
def test_a_file_that_starts_a_mirror_is_known(name: str, is_one: bool) -> None:
    assert reach.of_name(name).starts_a_mirror is is_one


def test_whoever_starts_a_mirror_gives_it_the_database_of_its_root() -> None:
    starting = {
        name
        for name, text in _files().items()
        if "import subprocess\n" in text
        and any(
            isinstance(node, ast.Constant) and node.value == "manage.py"
            for node in ast.walk(ast.parse(text))
        )
    }
    ways = ("environment(", "database.variables(")
    told = {name for name, text in _files().items() if any(way in text for way in ways)}

    assert "tests/e2e/mirror.py" in starting
    assert starting - told == set()


def test_whoever_opens_sqlite_is_about_sqlite() -> None:
    opening = {name for name, text in _files().items() if "import sqlite3\n" in text}
    about = {name for name, text in _files().items() if "mark.one_database" in text}

    assert opening - about == {"tests/database.py"}


@pytest.mark.parametrize("marks", [set(), {"e2e"}, {"programs"}, {"e2e", "programs", "browser"}])
def test_every_test_runs_on_one_of_them_at_least(marks: set[str]) -> None:
    runs = [Expression.compile(one) for one in (both_databases.SQLITE, both_databases.POSTGRESQL)]

    def has(name: str, /, **_: object) -> bool:
        return name in marks

    assert any(run.evaluate(has) for run in runs)
