"""Access: grants, access tokens, what is fixed by hand, and who failed to sign in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from axes.models import AccessAttempt
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.db.models import Max, Sum

from cache.access import grants, machine_tokens, visibility
from cache.access.decision import Reach, Visibility
from cache.access.passwords import WAIT

#: So many rows of each kind are shown at once; whoever has more, searches.
MOST = 200

#: So many names are offered while one is typed.
MOST_OFFERED = 500

_Row = TypeVar("_Row")


@dataclass(frozen=True, slots=True)
class Some(Generic[_Row]):
    """The first rows that fit, and how many more there are."""

    rows: list[_Row]
    more: int


@dataclass(frozen=True, slots=True)
class Token:
    """An access token; ``state`` is `in force`, `revoked` or `over`."""

    listed: machine_tokens.Listed
    state: str


@dataclass(frozen=True, slots=True)
class Rule:
    """What is fixed by hand; ``upstream`` and ``pattern`` as a form has them."""

    reach: Reach
    visibility: Visibility
    upstream: str


@dataclass(frozen=True, slots=True)
class Failures:
    """Wrong passwords for an account from an address, the last one at ``at``.

    ``name`` is empty if nobody here is called what was typed: that may have been a password.
    """

    name: str
    address: str
    times: int
    at: datetime
    is_locked: bool


def found_grants(text: str) -> Some[grants.Listed]:
    """Those whose holder or repositories have the text in them."""
    return _some(
        one for one in grants.list_grants() if _fits(text, one.user, one.group, str(one.reach))
    )


def found_tokens(text: str, now: datetime) -> Some[Token]:
    """Those whose user, name or repositories have the text in them; in force first."""
    rows = [
        Token(one, _state(one, now))
        for one in machine_tokens.list_tokens()
        if _fits(text, one.user, one.name, *(str(limit) for limit in one.limits or ()))
    ]
    return _some(sorted(rows, key=lambda one: one.state != "in force"))


def rules() -> list[Rule]:
    """What is fixed by hand; the first one that covers a repository counts."""
    return [Rule(reach, found, reach.upstream or "*") for reach, found in visibility.list_rules()]


def failed_sign_ins(now: datetime) -> Some[Failures]:
    """Who failed in the last while, the latest first."""
    rows = list(
        AccessAttempt.objects.values("username", "ip_address")
        .annotate(times=Sum("failures_since_start"), at=Max("attempt_time"))
        .order_by("-at")[: MOST + 1]
    )
    typed = [row["username"] for row in rows]
    known = set(
        get_user_model().objects.filter(username__in=typed).values_list("username", flat=True)
    )
    return _some(
        Failures(
            name=row["username"] if row["username"] in known else "",
            address=row["ip_address"] or "",
            times=row["times"],
            at=row["at"],
            is_locked=row["times"] >= settings.AXES_FAILURE_LIMIT
            and (now - row["at"]).total_seconds() < WAIT,
        )
        for row in rows
    )


def holders() -> tuple[list[str], list[str]]:
    """The names of users and of groups, for whoever types one."""
    users = get_user_model().objects.order_by("username").values_list("username", flat=True)
    groups = Group.objects.order_by("name").values_list("name", flat=True)
    return list(users[:MOST_OFFERED]), list(groups[:MOST_OFFERED])


def _some(found: Iterable[_Row]) -> Some[_Row]:
    rows = list(found)
    return Some(rows[:MOST], max(0, len(rows) - MOST))


def _fits(text: str, *fields: str) -> bool:
    wanted = text.casefold()
    return any(wanted in one.casefold() for one in fields)


def _state(token: machine_tokens.Listed, now: datetime) -> str:
    if token.revoked_at is not None:
        return "revoked"
    return "over" if token.expires_at is not None and token.expires_at <= now else "in force"
