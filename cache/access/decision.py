"""Who may pull what: the one decision, of plain values.

Deny by default: whatever is not known to be public is private, and what is private takes a grant.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal

from cache.oci.pattern import Pattern
from cache.oci.repository import Repository

AnonymousPolicy = Literal["public", "none"]


class Visibility(Enum):
    """How upstream treats anonymous clients, as far as is known."""

    PUBLIC = "public"
    PRIVATE = "private"
    UNKNOWN = ""


class Verdict(Enum):
    """ALLOWED, or why not.

    SIGN_IN: a client that says who it is may be allowed. OUT_OF_SCOPE: its token is for something
    else, another one may do. DENIED: it will stay so for this client.
    """

    ALLOWED = "allowed"
    SIGN_IN = "sign in"
    OUT_OF_SCOPE = "out of scope"
    DENIED = "denied"


@dataclass(frozen=True, slots=True)
class Reach:
    """The repositories of an upstream (empty: of every upstream) that a pattern fits."""

    upstream: str
    pattern: Pattern

    def covers(self, repository: Repository) -> bool:
        is_there = self.upstream in ("", repository.upstream)
        return is_there and self.pattern.fits(str(repository.name))

    def __str__(self) -> str:
        return f"{self.upstream or '*'}/{self.pattern}"


@dataclass(frozen=True, slots=True)
class Scope:
    """What a bearer token is good for: these repositories, and perhaps the catalog."""

    repositories: frozenset[Repository] = frozenset()
    catalog: bool = False


@dataclass(frozen=True, slots=True)
class Client:
    """Who asks. `user` is the primary key of a signed-in user, None for an anonymous client.

    `grants` are those in force. A client that came with an access token has only what `limits`
    cover, one with a bearer token only what its `scope` names; None is no limit. `credential`
    changes with the user's password.
    """

    user: int | None = None
    name: str = ""
    is_superuser: bool = False
    grants: tuple[Reach, ...] = field(default=(), repr=False)
    limits: tuple[Reach, ...] | None = None
    scope: Scope | None = None
    credential: str = field(default="", repr=False)

    @property
    def is_anonymous(self) -> bool:
        return self.user is None


ANONYMOUS = Client()

#: The mirror's own operator, at the machine: a command of `manage.py` pulls as this client. Never
#: the client of a request.
OPERATOR = Client(user=0, name="the operator", is_superuser=True)


def decide(
    client: Client,
    repository: Repository,
    anonymous: AnonymousPolicy,
    visibility: Callable[[], Visibility],
) -> Verdict:
    """Whether `client` may have anything of `repository`, its existence included.

    `visibility` may cost a question to upstream; it is called only if the answer depends on it.
    """
    if client.is_anonymous and anonymous == "none":
        return Verdict.SIGN_IN
    if client.scope is not None and repository not in client.scope.repositories:
        return Verdict.OUT_OF_SCOPE
    is_within = client.limits is None or _is_covered(client.limits, repository)
    if is_within and (client.is_superuser or _is_covered(client.grants, repository)):
        return Verdict.ALLOWED
    # What anybody can have without a token is not withheld from who has one with limits.
    may_have_public = (not client.is_anonymous and is_within) or anonymous == "public"
    if may_have_public and visibility() is Visibility.PUBLIC:
        return Verdict.ALLOWED
    return Verdict.SIGN_IN if client.is_anonymous else Verdict.DENIED


def decide_catalog(client: Client, anonymous: AnonymousPolicy) -> Verdict:
    """Whether `client` may list repositories: of course only those that it may pull."""
    if client.is_anonymous and anonymous == "none":
        return Verdict.SIGN_IN
    if client.scope is not None and not client.scope.catalog:
        return Verdict.OUT_OF_SCOPE
    return Verdict.ALLOWED


def _is_covered(reaches: tuple[Reach, ...], repository: Repository) -> bool:
    # Most have none: to ask nobody costs less than to ask each of nobody.
    return bool(reaches) and any(reach.covers(repository) for reach in reaches)
