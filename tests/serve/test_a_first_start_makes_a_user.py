"""Whoever starts a new mirror can sign in: with a random password, or the one they gave."""

from __future__ import annotations

from pathlib import Path

from django.contrib.auth.hashers import check_password

from tests import database
from tests.serve.conftest import PATIENCE, Mirror, Start


def users(folder: Path) -> list[tuple[str, str]]:
    return database.rows(folder / "data", "SELECT username, password FROM auth_user")


def test_a_random_password_is_told_once_and_kept_for_its_owner(
    mirror: Mirror, start: Start, tmp_path: Path
) -> None:
    kept = tmp_path / "data" / "initial-admin-password"
    password = kept.read_text("ascii").strip()
    assert kept.stat().st_mode & 0o777 == 0o600
    assert mirror.output.splitlines()[-1] == (
        f"  sign in   as admin with the password {password} (kept in {kept} until you remove it)"
    )
    ((name, encoded),) = users(tmp_path)
    assert name == "admin"
    assert check_password(password, encoded)
    assert password not in mirror.errors
    assert mirror.end() == 0

    second = start()
    second.wait_until_it_answers()

    assert "sign in" not in second.output
    assert kept.read_text("ascii").strip() == password
    assert len(users(tmp_path)) == 1


def test_the_environment_may_say_who(start: Start, tmp_path: Path) -> None:
    mirror = start(DJANGO_SUPERUSER_USERNAME="olga", DJANGO_SUPERUSER_PASSWORD="of her own")
    mirror.wait_until_it_answers()

    assert "sign in   as olga, with the password from the environment" in mirror.output
    assert "of her own" not in mirror.output + mirror.errors
    ((name, encoded),) = users(tmp_path)
    assert name == "olga"
    assert check_password("of her own", encoded)
    assert not (tmp_path / "data" / "initial-admin-password").exists()


def test_a_short_password_is_refused_in_a_sentence(start: Start) -> None:
    mirror = start(DJANGO_SUPERUSER_PASSWORD="short")

    assert mirror.process.wait(PATIENCE) == 2
    assert "DJANGO_SUPERUSER_PASSWORD: allowed is a password of at least 8" in mirror.errors
    assert "Traceback" not in mirror.errors
