"""Access tokens: passwords for machines, shown once, kept as a digest, limited and revocable."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from django.db import transaction
from django.db.models import Q

from cache import models
from cache.access.decision import Client, Reach
from cache.access.remembered import Remembered
from cache.access.users import client_of
from cache.database import note, question
from cache.oci.pattern import Pattern

#: What each of them begins with, so that a leaked one is recognised as what it is.
PREFIX = "mirror_"

#: Seconds for which a token is taken for what the database said, if nobody tells of a change.
LONGEST = 10.0

#: The longest name of a token.
LONGEST_NAME = 100

#: 256 random bits, in base64's alphabet for addresses: guessing needs no limit.
_SECRET_BYTES = 32
_TOKEN = re.compile(re.escape(PREFIX) + r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class _Found:
    token: int
    user: int
    expires_at: datetime | None
    limits: tuple[Reach, ...] | None


@dataclass(frozen=True, slots=True)
class Listed:
    """What an operator is shown of a token; ``limits`` None means all that its user may pull."""

    user: str
    name: str
    limits: tuple[Reach, ...] | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class Signed:
    """The client that an access token makes, and the token's primary key."""

    client: Client
    token: int


def looks_like_one(text: str) -> bool:
    """Whether this can only be meant as an access token."""
    return _TOKEN.fullmatch(text) is not None


def create(
    user: int, name: str, expires_at: datetime | None = None, limits: Iterable[Reach] = ()
) -> str:
    """A new token of a user's, which is known to the caller alone: it cannot be shown again.

    Raises ``django.db.IntegrityError`` if the user has a token of that name in force.
    """
    token = PREFIX + secrets.token_urlsafe(_SECRET_BYTES)
    wanted = list(limits)
    with transaction.atomic():
        row = models.AccessToken.objects.create(
            user_id=user,
            name=name,
            secret_digest=_digest(token),
            expires_at=expires_at,
            is_limited=bool(wanted),
        )
        for limit in wanted:
            row.limits.create(upstream=limit.upstream, pattern=str(limit.pattern))
    return token


def revoke(user: int, name: str, now: datetime) -> bool:
    """Have the user's token of that name be worthless at once; whether there was one in force."""
    rows = models.AccessToken.objects.filter(user_id=user, name=name, revoked_at__isnull=True)
    row = rows.first()
    if row is None:
        return False
    row.revoked_at = now
    row.save(update_fields=["revoked_at"])
    return True


def list_tokens(user: int | None = None) -> list[Listed]:
    """The tokens of one user or of all, by user and age. Never the tokens themselves."""
    rows = models.AccessToken.objects.select_related("user").prefetch_related("limits")
    if user is not None:
        rows = rows.filter(user_id=user)
    return [
        Listed(
            user=row.user.get_username(),
            name=row.name,
            limits=tuple(_reach(limit) for limit in row.limits.all()) if row.is_limited else None,
            created_at=row.created_at,
            expires_at=row.expires_at,
            revoked_at=row.revoked_at,
            last_used_at=row.last_used_at,
        )
        for row in rows.order_by("user__username", "pk")
    ]


def sign_in(token: str, remembered: Remembered, now: datetime) -> Signed | None:
    """Who comes with this token; None if it is unknown, has expired or is revoked."""
    if not looks_like_one(token):
        return None
    return _signed(
        ("access token", _digest(token)), {"secret_digest": _digest(token)}, remembered, now
    )


def still_signed_in(token: int, remembered: Remembered, now: datetime) -> Signed | None:
    """The same for a token by its primary key, which a bearer token carries."""
    return _signed(("access token", token), {"pk": token}, remembered, now)


@note
def record_use(used: Mapping[int, datetime]) -> None:
    """The tokens, by primary key, were last used at these moments."""
    for token, at in used.items():
        # As the processes of a mirror write in no order, the latest moment counts.
        not_since = Q(last_used_at__isnull=True) | Q(last_used_at__lt=at)
        models.AccessToken.objects.filter(not_since, pk=token).update(last_used_at=at)


def _signed(
    key: tuple[str, str | int], wanted: Mapping[str, object], remembered: Remembered, now: datetime
) -> Signed | None:
    found: _Found | None = remembered.get(key, LONGEST)
    if found is None:
        stamp = remembered.stamp()
        found = _find(wanted)
        if found is None:
            return None
        remembered.keep(key, found, stamp)
    if found.expires_at is not None and now >= found.expires_at:
        return None
    client = client_of(found.user, remembered, now)
    if client is None:
        return None
    return Signed(replace(client, limits=found.limits), found.token)


@question
def _find(wanted: Mapping[str, object]) -> _Found | None:
    row = models.AccessToken.objects.filter(revoked_at__isnull=True, **wanted).first()
    if row is None:
        return None
    limits = tuple(_reach(limit) for limit in row.limits.all()) if row.is_limited else None
    return _Found(row.pk, row.user_id, row.expires_at, limits)


def _reach(limit: models.AccessTokenLimit) -> Reach:
    return Reach(limit.upstream, Pattern(limit.pattern))


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
