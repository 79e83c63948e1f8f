"""Bearer tokens: who signed in and for what, signed by the mirror, for minutes (RFC 7519).

An access token is for pulls: its claim `access` holds what was granted, and nothing else is. A
refresh token stands for a password at the token endpoint, until the password changes.
"""

from __future__ import annotations

import functools
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import jwt

from cache.access.keys import Keys
from cache.access.scopes import ALL, CATALOG, PULL, REGISTRY, REPOSITORY

#: The name of the service in challenges, and the audience of its tokens.
SERVICE = "mirrorsite"

#: Longer ones cannot be ours: a client asks for some repositories with names of 255 characters.
LONGEST = 16 * 1024

Use = Literal["access", "refresh"]

_ALGORITHM = "HS256"

#: So many tokens are known again without doing their signatures anew.
_TOKENS_KEPT = 1024

#: Seconds by which a clock may have been set back since a token was made.
_SLACK = 5


class BadToken(Exception):
    """The token is not to be believed; the message says why, and quotes nothing of it."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Who a token is for: a user by primary key (None: anonymous), perhaps by an access token.

    `credential` is that of the user's password at the time.
    """

    user: int | None = None
    machine_token: int | None = None
    credential: str = ""


@dataclass(frozen=True, slots=True)
class Granted:
    """What a token is for: repositories by the names that the client gave, perhaps the catalog."""

    repositories: tuple[str, ...] = ()
    catalog: bool = False


def issue(
    keys: Keys,
    use: Use,
    subject: Subject,
    granted: Granted,
    now: datetime,
    lifetime: timedelta,
) -> str:
    """A token that is good from now on; raises ``OSError`` if there is no key to sign with."""
    key = keys.signing()
    moment = int(now.timestamp())
    claims: dict[str, Any] = {
        "iss": SERVICE,
        "aud": SERVICE,
        "sub": "" if subject.user is None else str(subject.user),
        "use": use,
        "iat": moment,
        "nbf": moment,
        "exp": moment + int(lifetime.total_seconds()),
        "jti": secrets.token_hex(8),
        "access": _access(granted),
    }
    if subject.machine_token is not None:
        claims["machine_token"] = subject.machine_token
    if subject.credential:
        claims["credential"] = subject.credential
    return jwt.encode(claims, key.secret, algorithm=_ALGORITHM, headers={"kid": key.kid})


def read(keys: Keys, use: Use, token: str, now: datetime) -> tuple[Subject, Granted]:
    """What the token says; raises :class:`BadToken`, and ``OSError`` if the keys cannot be read."""
    if len(token) > LONGEST:
        raise BadToken("the token is too long")
    try:
        kid = _kid(token)
        key = keys.find(kid) if isinstance(kid, str) else None
        if key is None:
            raise BadToken("the token is signed with a key that is not known here")
        claims = _claims(token, key.secret)
    except (jwt.InvalidTokenError, ValueError, RecursionError) as error:
        raise BadToken("the token is not one of this mirror's") from error
    _check_time(claims, now.timestamp())
    if claims["use"] != use:
        raise BadToken(f"the token is no {use} token")
    return _subject(claims), _granted(claims.get("access"))


@functools.lru_cache(_TOKENS_KEPT)
def _kid(token: str) -> object:
    """The name of the key that the token says it is signed with."""
    return jwt.get_unverified_header(token).get("kid")


@functools.lru_cache(_TOKENS_KEPT)
def _claims(token: str, secret: bytes) -> Mapping[str, Any]:
    """What a token says that is signed with this key, whatever the time: that never changes.

    A client comes with the same token for minutes. What fails is not kept.
    """
    claims: Mapping[str, Any] = jwt.decode(
        token,
        secret,
        algorithms=[_ALGORITHM],
        audience=SERVICE,
        issuer=SERVICE,
        # The moment is the caller's, as everywhere.
        options={
            "require": ["iss", "aud", "sub", "use", "iat", "nbf", "exp"],
            "verify_exp": False,
            "verify_nbf": False,
            "verify_iat": False,
        },
    )
    return claims


def _check_time(claims: Mapping[str, Any], now: float) -> None:
    moments = [claims[name] for name in ("exp", "nbf", "iat")]
    if not all(type(moment) is int for moment in moments):
        raise BadToken("the token does not tell when it is good")
    expires, begins, issued = moments
    if now >= expires:
        raise BadToken("the token has expired")
    if now < max(begins, issued) - _SLACK:
        raise BadToken("the token is from the future")


def _subject(claims: Mapping[str, Any]) -> Subject:
    sub, machine, credential = (
        claims["sub"],
        claims.get("machine_token"),
        claims.get("credential", ""),
    )
    is_number = isinstance(sub, str) and sub.isascii() and sub.isdigit() and len(sub) <= 18
    if sub != "" and not is_number:
        raise BadToken("the token names nobody")
    if not isinstance(machine, int | None) or not isinstance(credential, str):
        raise BadToken("the token names nobody")
    return Subject(int(sub) if sub else None, machine, credential)


def _access(granted: Granted) -> list[dict[str, object]]:
    """The claim as Docker's "Token Authentication Implementation" has it."""
    entries: list[dict[str, object]] = [
        {"type": REPOSITORY, "name": name, "actions": [PULL]} for name in granted.repositories
    ]
    if granted.catalog:
        entries.append({"type": REGISTRY, "name": CATALOG, "actions": [ALL]})
    return entries


def _granted(entries: object) -> Granted:
    if not isinstance(entries, list):
        return Granted()
    names = [_name(entry, REPOSITORY, PULL) for entry in entries]
    return Granted(
        repositories=tuple(name for name in names if name is not None),
        catalog=any(_name(entry, REGISTRY, ALL) == CATALOG for entry in entries),
    )


def _name(entry: object, kind: str, action: str) -> str | None:
    if not isinstance(entry, dict) or entry.get("type") != kind:
        return None
    name, actions = entry.get("name"), entry.get("actions")
    is_so = isinstance(name, str) and isinstance(actions, Iterable) and action in actions
    return name if is_so else None
