"""Whoever starts the mirror decides on its database; the commands hear of it."""

from __future__ import annotations

import json
from pathlib import Path

from cache import which_database
from tests import database
from tests.serve.conftest import PATIENCE, Start


def test_a_start_with_another_database_leaves_word_of_it(start: Start, tmp_path: Path) -> None:
    root = tmp_path / "data"
    root.mkdir()
    before = {"engine": "PostgreSQL", "host": "db.example", "port": 5432, "name": "before"}
    (root / "database.json").write_text(json.dumps(before))

    mirror = start()
    mirror.wait_until_it_answers()

    url = database.variables(root).get("DATABASE_URL")
    assert which_database.left_in(root) == which_database.by_address(url)
    assert (root / "database.json").stat().st_mode & 0o777 == 0o600
    first, _, _ = mirror.errors.partition("\n")
    assert "level=warning" in first, "it may be a mistake"
    assert "uses PostgreSQL before on db.example, and this was given " in first
    assert "from now on the mirror uses this one" in first


def test_a_start_that_fails_changes_nothing(start: Start, tmp_path: Path) -> None:
    mirror = start(DATABASE_URL="postgresql://mirror@127.0.0.1:1/nothing")

    assert mirror.process.wait(PATIENCE) == 1
    assert which_database.left_in(tmp_path / "data") is None
