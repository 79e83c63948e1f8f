"""Passwords: verified slowly by Django, once, then remembered for minutes under a keyed hash.

Wrong ones are counted by django-axes, for each account and address. Names that are no account here
are another registry's, most likely: they are told from wrong passwords by nothing that a client
can see, and axes is given a keyed hash in their place, so that they are nowhere kept or logged.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
import threading
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from axes.handlers.proxy import AxesProxyHandler
from django.contrib.auth import authenticate
from django.utils.crypto import salted_hmac

from cache.access.decision import Client
from cache.access.remembered import Remembered
from cache.access.users import (
    LONGEST_NAME,
    LONGEST_PASSWORD,
    client_of,
    credential_of,
    find_user,
)
from cache.oci.errors import quote

log = logging.getLogger(__name__)

#: Seconds for which a verified password is not verified again. A changed password and a user who
#: is deactivated end it as soon as they are known.
LONGEST = 300.0

#: Seconds for which a wrong password is known to be wrong: a daemon that offers what it has, again
#: and again, is no attack, and counts once. A change of any user ends it.
LONGEST_WRONG = 24 * 3600.0

#: So many passwords are verified at once by a process: it takes a processor about a third of a
#: second each, and pulls need the processors, too.
MOST_AT_ONCE = 2

#: Seconds to wait for one's turn. Some clients give up after 15.
_PATIENCE = 10.0

#: Seconds after which a locked account may try again from the same address.
WAIT = 15 * 60

# Of this start of the mirror alone: what is remembered is worth nothing elsewhere.
_KEY = secrets.token_bytes(32)

_turns = threading.BoundedSemaphore(MOST_AT_ONCE)


@dataclass(frozen=True, slots=True)
class _Verified:
    """The primary key of the user who has the password (None if it is nobody's).

    `credential` is that of the password, which the user may have changed since.
    """

    user: int | None
    credential: str = ""


class TooManyFailures(Exception):
    """No password is tried now: too many wrong ones came for the account from that address."""


def verify(
    attempt: Any, name: str, password: str, remembered: Remembered, now: datetime
) -> Client | None:
    """The client that the active user is who has this password, None if there is none.

    ``attempt`` is a request of Django's, of which axes stores what is in it: it holds the client's
    address and nothing else. Raises :class:`TooManyFailures`.
    """
    if not name or len(name) > LONGEST_NAME or len(password) > LONGEST_PASSWORD or "\x00" in name:
        return None
    hashed = _keyed_hash(name, password)
    known = _known(hashed, remembered, now)
    if known is None:
        known = _verify_in_turn(attempt, name, password, hashed, remembered, now)
    return None if known.user is None else client_of(known.user, remembered, now)


def _verify_in_turn(
    attempt: Any,
    name: str,
    password: str,
    hashed: bytes,
    remembered: Remembered,
    now: datetime,
) -> _Verified:
    if not _turns.acquire(timeout=_PATIENCE):
        raise TooManyFailures
    try:
        # Of a hundred requests at once, one is verified.
        known = _known(hashed, remembered, now)
        if known is None:
            stamp = remembered.stamp()
            known = _verify(attempt, name, password)
            kind = "wrong password" if known.user is None else "password"
            remembered.keep((kind, hashed), known, stamp)
        return known
    finally:
        _turns.release()


def counted_name(request: Any, credentials: dict[str, Any] | None = None) -> str | None:
    """What axes takes for the account (setting AXES_USERNAME_CALLABLE)."""
    counted: str | None = getattr(request, "counted_name", None)
    given: str | None = (credentials or {}).get("username")
    # The dashboard's own sign-in comes here with the name as it was typed.
    return counted or (given and _counted(given, is_ours=find_user(given) is not None))


def _known(hashed: bytes, remembered: Remembered, now: datetime) -> _Verified | None:
    right: _Verified | None = remembered.get(("password", hashed), LONGEST)
    if right is not None and right.user is not None:
        client = client_of(right.user, remembered, now)
        # Whoever has changed the password elsewhere has told nobody here.
        if client is not None and client.credential == right.credential:
            return right
    wrong: _Verified | None = remembered.get(("wrong password", hashed), LONGEST_WRONG)
    return wrong


def _verify(attempt: Any, name: str, password: str) -> _Verified:
    is_ours = find_user(name) is not None
    attempt.counted_name = _counted(name, is_ours=is_ours)
    user = authenticate(attempt, username=name, password=password)
    address = attempt.META.get("REMOTE_ADDR")
    if user is None:
        if getattr(attempt, "axes_locked_out", False):
            if is_ours:
                log.warning("No password is tried for %s from %s now", quote(name), address)
            raise TooManyFailures
        if is_ours:
            log.warning("A wrong password came for %s from %s", quote(name), address)
        return _Verified(None)
    if AxesProxyHandler.get_failures(attempt, {"username": name}):
        AxesProxyHandler.reset_attempts(username=name, ip_address=address)
    return _Verified(user.pk, credential_of(user))


def _counted(name: str, *, is_ours: bool) -> str:
    return name if is_ours else salted_hmac(__name__, name).hexdigest()


def _keyed_hash(name: str, password: str) -> bytes:
    return hmac.digest(_KEY, f"{len(name)}:{name}{password}".encode(), hashlib.sha256)
