"""Access tokens: passwords for machines, shown once, kept as a digest, limited and revocable."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from django.db import transaction

from cache import models
from cache.access.decision import Client, Reach
from cache.access.remembered import Remembered
from cache.access.users import client_of
from cache.database import note, question
from cache.oci.pattern import Pattern

#: What each of them begins with, so that a leaked one is recognised as what it is.
PREFIX = "mirror_"

#: Seconds for which a token is taken for what the database said, if nobody tells of a change.
LONGEST = 5.0

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

    Raises ``django.db.IntegrityError`` if the user has a token of that name.
    """
    token = PREFIX + secrets.token_urlsafe(_SECRET_BYTES)
    with transaction.atomic():
        row = models.AccessToken.objects.create(
            user_id=user, name=name, secret_digest=_digest(token), expires_at=expires_at
        )
        for limit in limits:
            row.limits.create(upstream=limit.upstream, pattern=str(limit.pattern))
    return token


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


@note()
def record_use(used: Mapping[int, datetime]) -> None:
    """The tokens, by primary key, were last used at these moments."""
    for token, at in used.items():
        models.AccessToken.objects.filter(pk=token).update(last_used_at=at)


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
    limits = tuple(Reach(limit.upstream, Pattern(limit.pattern)) for limit in row.limits.all())
    return _Found(row.pk, row.user_id, row.expires_at, limits or None)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
