"""Passwords: verified slowly by Django, once, then remembered for minutes under a keyed hash."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass

from django.contrib.auth import authenticate
from django.contrib.auth.models import AbstractBaseUser

from cache.access.remembered import Remembered

#: Seconds for which a verified password, or one found wrong, is not verified again. A changed
#: password and a user who is deactivated end it at once.
LONGEST = 300.0

#: Nobody types more; a longer one would only cost time.
LONGEST_PASSWORD = 4096

# Of this process alone, so that what is remembered is worth nothing elsewhere.
_KEY = secrets.token_bytes(32)


@dataclass(frozen=True, slots=True)
class Verified:
    """What came out: the primary key of the user, None if the password is not that user's."""

    user: int | None


class TooManyFailures(Exception):
    """So many wrong passwords came for the account from that address that none is tried now."""


def verify(request: object, name: str, password: str, remembered: Remembered) -> int | None:
    """The primary key of the active user that has this password, None if there is none.

    ``request`` is Django's, from which the limit on guessing takes the client's address. The same
    wrong password counts once: a daemon that offers what it has, again and again, is no attack.
    Raises :class:`TooManyFailures`.
    """
    if len(password) > LONGEST_PASSWORD or "\x00" in name:
        return None
    key = ("password", _keyed_hash(name, password))
    known: Verified | None = remembered.get(key, LONGEST)
    if known is None:
        stamp = remembered.stamp()
        known = Verified(_verify(request, name, password))
        remembered.keep(key, known, stamp)
    return known.user


def _verify(request: object, name: str, password: str) -> int | None:
    user: AbstractBaseUser | None = authenticate(request, username=name, password=password)  # type: ignore[arg-type]
    if getattr(request, "axes_locked_out", False):
        raise TooManyFailures
    return None if user is None else user.pk


def _keyed_hash(name: str, password: str) -> bytes:
    return hmac.digest(_KEY, f"{len(name)}:{name}{password}".encode(), hashlib.sha256)
