"""Scopes, as clients ask for them (Docker's "Token Scope Documentation")."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

REPOSITORY = "repository"
REGISTRY = "registry"
CATALOG = "catalog"
PULL = "pull"
ALL = "*"

#: A client asks for as many repositories as it works on at a time: one, or two for a mount.
MOST_SCOPES = 50
LONGEST_SCOPE = 1000


@dataclass(frozen=True, slots=True)
class Wanted:
    """One scope of a request: what kind of thing, which one, and what to do with it."""

    kind: str
    name: str
    actions: frozenset[str]

    @property
    def is_pull(self) -> bool:
        """Whether it asks, among other things, for a repository's content."""
        is_repository = self.kind.partition("(")[0] == REPOSITORY
        return is_repository and not self.actions.isdisjoint({PULL, ALL})

    @property
    def is_catalog(self) -> bool:
        """Whether it asks for the list of repositories."""
        return self.kind == REGISTRY and self.name == CATALOG and ALL in self.actions


def parse(texts: Iterable[str]) -> list[Wanted]:
    """The scopes in these parameters, each of which may hold several with blanks between them.

    What is no scope, is too long, or comes after too many others asks for nothing.
    """
    words = [word for text in texts for word in text.split(" ") if word]
    return [
        Wanted(kind, name, frozenset(actions.split(",")))
        for word in words[:MOST_SCOPES]
        if len(word) <= LONGEST_SCOPE
        for kind, _, rest in [word.partition(":")]
        # A name may hold the separator, before a port.
        for name, _, actions in [rest.rpartition(":")]
        if kind and name and actions
    ]


def of_repository(name: str) -> str:
    """The scope to ask for if one wants to pull the repository that clients call so."""
    return f"{REPOSITORY}:{name}:{PULL}"


#: The scope to ask for if one wants to list repositories.
OF_CATALOG = f"{REGISTRY}:{CATALOG}:{ALL}"
