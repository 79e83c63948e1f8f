"""Who may pull what: the one decision, of plain values.

Deny by default: whatever is not known to be public is private, and what is private takes a grant.
"""

from __future__ import annotations

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
    """ALLOWED, or why not: SIGN_IN may help, DENIED will stay so for this client."""

    ALLOWED = "allowed"
    SIGN_IN = "sign in"
    DENIED = "denied"


@dataclass(frozen=True, slots=True)
class Reach:
    """The repositories of an upstream (empty: of every upstream) that a pattern fits."""

    upstream: str
    pattern: Pattern

    def covers(self, repository: Repository) -> bool:
        is_there = self.upstream in ("", repository.upstream)
        return is_there and self.pattern.fits(str(repository.name))


@dataclass(frozen=True, slots=True)
class Client:
    """Who asks. `user` is the primary key of a signed-in user, None for an anonymous client.

    `grants` are those in force. A client that came with an access token has only what `limits`
    cover, one with a bearer token only what its `scope` names; None is no limit.
    """

    user: int | None = None
    name: str = ""
    is_superuser: bool = False
    grants: tuple[Reach, ...] = field(default=(), repr=False)
    limits: tuple[Reach, ...] | None = None
    scope: frozenset[Repository] | None = None

    @property
    def is_anonymous(self) -> bool:
        return self.user is None


ANONYMOUS = Client()


def decide(
    client: Client, repository: Repository, visibility: Visibility, anonymous: AnonymousPolicy
) -> Verdict:
    """Whether `client` may have anything of `repository`, its existence included."""
    if visibility is Visibility.PUBLIC and anonymous == "public":
        return Verdict.ALLOWED
    if client.is_anonymous or not _is_in(client.scope, repository):
        return Verdict.SIGN_IN
    if client.limits is not None and not _is_covered(client.limits, repository):
        return Verdict.DENIED
    if visibility is Visibility.PUBLIC or client.is_superuser:
        return Verdict.ALLOWED
    return Verdict.ALLOWED if _is_covered(client.grants, repository) else Verdict.DENIED


def _is_in(scope: frozenset[Repository] | None, repository: Repository) -> bool:
    return scope is None or repository in scope


def _is_covered(reaches: tuple[Reach, ...], repository: Repository) -> bool:
    return any(reach.covers(repository) for reach in reaches)
