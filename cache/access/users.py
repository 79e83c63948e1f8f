"""Users, and what they are granted, as Django has them now."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Q

from cache import models
from cache.access.decision import Client, Reach
from cache.access.remembered import Remembered
from cache.database import question
from cache.oci.pattern import Pattern

#: Seconds for which a user is taken for what the database said, if nobody has told of a change.
LONGEST = 10.0

#: Django's own limit for a user's name.
LONGEST_NAME = 150

#: Nobody types more; a longer one would only cost time.
LONGEST_PASSWORD = 4096


class NotAllowed(Exception):
    """There cannot be such a user; the message says why."""


@dataclass(frozen=True, slots=True)
class Listed:
    """What an operator is shown of a user."""

    name: str
    is_active: bool
    is_superuser: bool
    groups: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Found:
    client: Client
    grants: tuple[tuple[Reach, datetime | None], ...]


def client_of(user: int, remembered: Remembered, now: datetime) -> Client | None:
    """The client that a signed-in user is, None if there is no such user or it is not active.

    At most two queries, none if it was found out a moment ago.
    """
    key = ("user", user)
    found: _Found | None = remembered.get(key, LONGEST)
    if found is None:
        stamp = remembered.stamp()
        found = _find(user)
        if found is None:
            return None
        remembered.keep(key, found, stamp)
    in_force = tuple(reach for reach, until in found.grants if until is None or now < until)
    return replace(found.client, grants=in_force)


def client_named(name: str, remembered: Remembered, now: datetime) -> Client | None:
    """The same for a user whose name somebody else has vouched for: a certificate, a proxy."""
    if not name or len(name) > LONGEST_NAME or "\x00" in name:
        return None
    key = ("user named", name)
    user: int | None = remembered.get(key, LONGEST)
    if user is None:
        stamp = remembered.stamp()
        user = find_user(name)
        if user is None:
            return None
        remembered.keep(key, user, stamp)
    return client_of(user, remembered, now)


def create(name: str, password: str | None, groups: Iterable[str] = ()) -> int:
    """A new user, without a password if it is None; its primary key. Missing groups are made.

    Raises :class:`NotAllowed` with a sentence for the operator.
    """
    user = get_user_model()(username=name)
    try:
        user.full_clean(exclude=["password"])
        if password is not None:
            if len(password) > LONGEST_PASSWORD:
                raise NotAllowed(f"a password has at most {LONGEST_PASSWORD} characters")
            validate_password(password, user)
    except ValidationError as error:
        raise NotAllowed(" ".join(error.messages)) from None
    with transaction.atomic():
        if password is None:
            user.set_unusable_password()
        else:
            user.set_password(password)
        user.save()
        for group in groups:
            user.groups.add(Group.objects.get_or_create(name=group)[0])
    return user.pk


def set_active(user: int, *, is_active: bool) -> None:
    """Have the user sign in again, or end all that it can do, tokens included."""
    row = get_user_model().objects.get(pk=user)
    row.is_active = is_active
    row.save(update_fields=["is_active"])


def list_users() -> list[Listed]:
    """All of them, by name."""
    rows = get_user_model().objects.prefetch_related("groups").order_by("username")
    return [
        Listed(
            row.get_username(),
            row.is_active,
            row.is_superuser,
            tuple(group.name for group in row.groups.all()),
        )
        for row in rows
    ]


def credential_of(row: Any) -> str:
    """What stands for the password that a row of Django's has, and tells nothing of it."""
    return str(row.get_session_auth_hash()[:32])


def is_storable(name: str) -> bool:
    """Whether the database could have such a name, and may be asked for it.

    PostgreSQL's driver takes no lone surrogate, as comes from a command line in another encoding,
    and no NUL.
    """
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return "\x00" not in name


@question
def find_user(name: str) -> int | None:
    """The primary key of the user with this name, active or not."""
    if not is_storable(name):
        return None
    users = get_user_model().objects
    found: int | None = users.filter(username=name).values_list("pk", flat=True).first()
    return found


@question
def _find(user: int) -> _Found | None:
    row = get_user_model().objects.filter(pk=user, is_active=True).first()
    if row is None:
        return None
    grants = models.Grant.objects.filter(Q(user=row) | Q(group__user=row)).distinct()
    return _Found(
        Client(
            user=row.pk,
            name=row.get_username(),
            is_superuser=row.is_superuser,
            credential=credential_of(row),
        ),
        tuple((Reach(row.upstream, Pattern(row.pattern)), row.expires_at) for row in grants),
    )
