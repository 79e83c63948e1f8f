"""What a scrub can find, and what it then does."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from cache.oci.errors import quote


class Kind(StrEnum):
    """What is wrong."""

    DAMAGED = "damaged"
    UNREADABLE = "unreadable"
    MISRECORDED = "misrecorded"
    UNRECORDED = "unrecorded"
    MISSING = "missing"
    STRANGER = "stranger"
    LEFTOVER = "leftover"


#: Kinds by which content is lost or could have been served wrong; the others cost nobody a pull.
DAMAGE = frozenset({Kind.DAMAGED, Kind.UNREADABLE})

_PATHS = frozenset({Kind.STRANGER, Kind.LEFTOVER})

_REPAIRS = {
    Kind.DAMAGED: "put in quarantine",
    Kind.UNREADABLE: "put in quarantine",
    Kind.MISRECORDED: "recorded anew",
    Kind.UNRECORDED: "recorded",
    Kind.MISSING: "struck from the records",
    Kind.STRANGER: "put in quarantine",
    Kind.LEFTOVER: "removed",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: ``name`` is a digest, or a path below the store's root."""

    kind: Kind
    name: str
    detail: str
    is_repaired: bool

    def facts(self) -> dict[str, Any]:
        """The finding as JSON has it."""
        return asdict(self)

    def __str__(self) -> str:
        done = f"; {_REPAIRS[self.kind]}" if self.is_repaired else ""
        # Whoever put a file there has chosen its name.
        name = quote(self.name) if self.kind in _PATHS else self.name
        return f"{self.kind} {name}: {self.detail}{done}"
