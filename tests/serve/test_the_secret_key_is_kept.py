"""The key that signs is made once and stays; every process that races to make it has the same."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mirrorsite.secret_key import read_or_create, secret_key


def test_nothing_is_written_before_it_is_needed(tmp_path: Path) -> None:
    key = secret_key(tmp_path / "data", {})

    assert not (tmp_path / "data").exists()
    assert len(str(key)) > 50
    assert (tmp_path / "data" / "secret_key").stat().st_mode & 0o777 == 0o600


def test_it_is_the_same_after_a_restart(tmp_path: Path) -> None:
    assert str(secret_key(tmp_path, {})) == str(secret_key(tmp_path, {}))


def test_two_stores_have_two_keys(tmp_path: Path) -> None:
    assert str(secret_key(tmp_path / "a", {})) != str(secret_key(tmp_path / "b", {}))


def test_racing_processes_agree(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(read_or_create, [tmp_path / "secret_key"] * 8))

    assert len(keys) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["secret_key"]


def test_the_operators_own_key_wins(tmp_path: Path) -> None:
    assert secret_key(tmp_path, {"MIRROR_SECRET_KEY": "mine"}) == "mine"
    assert list(tmp_path.iterdir()) == []
