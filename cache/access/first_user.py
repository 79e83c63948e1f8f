"""The first user of a new mirror, so that somebody can sign in at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from django.contrib.auth import get_user_model
from django.db import IntegrityError, transaction

FILE_NAME = "initial-admin-password"
NAME_VARIABLE = "DJANGO_SUPERUSER_USERNAME"
PASSWORD_VARIABLE = "DJANGO_SUPERUSER_PASSWORD"  # noqa: S105 - the variable's name
DEFAULT_NAME = "admin"

LONGEST_NAME = 150
SHORTEST_PASSWORD = 8


class BadFirstUser(Exception):
    """The environment names a first user that cannot be made; the message says what is allowed."""


@dataclass(frozen=True, slots=True)
class FirstUser:
    """A user that was just made; ``password`` only if it was made up here, not given.

    ``file`` holds it too, None if it could not be written.
    """

    name: str
    password: str | None = field(repr=False)
    file: Path | None


def make_first_user(root: Path, environ: Mapping[str, str]) -> FirstUser | None:
    """Make a superuser if there is no user; the given one, or `admin` with a random password.

    Raises :class:`BadFirstUser`, and ``django.db.Error`` if the database does not take it.
    """
    if get_user_model().objects.exists():
        return None
    name = environ.get(NAME_VARIABLE) or DEFAULT_NAME
    if len(name) > LONGEST_NAME or not name.isprintable():
        raise BadFirstUser(
            f"{NAME_VARIABLE}: allowed is a name of at most {LONGEST_NAME} printable characters"
        )
    given = environ.get(PASSWORD_VARIABLE)
    if given is not None and len(given) < SHORTEST_PASSWORD:
        raise BadFirstUser(
            f"{PASSWORD_VARIABLE}: allowed is a password of at least {SHORTEST_PASSWORD} characters"
        )
    password = given or secrets.token_urlsafe(15)
    try:
        with transaction.atomic():
            get_user_model().objects.create_superuser(name, password=password)
    except IntegrityError:
        return None  # another mirror of the same database was quicker
    if given is not None:
        return FirstUser(name, None, None)
    return FirstUser(name, password, _written(root / FILE_NAME, password))


def _written(path: Path, password: str) -> Path | None:
    with suppress(OSError):
        path.unlink(missing_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(f"{password}\n")
        return path
    return None
