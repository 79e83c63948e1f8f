"""Users, and what they are granted, as Django has them now."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from django.contrib.auth import get_user_model
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


@question
def find_user(name: str) -> int | None:
    """The primary key of the user with this name, active or not."""
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
            credential=row.get_session_auth_hash()[:32],
        ),
        tuple((Reach(row.upstream, Pattern(row.pattern)), row.expires_at) for row in grants),
    )
