"""What an import finds wrong, and what it has done so far."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from cache.oci.errors import quote
from cache.streaming.adopting import Adopted


class Kind(StrEnum):
    """What is wrong in the folder; whatever it is, it was left out."""

    DAMAGED = "damaged"
    UNREADABLE = "unreadable"
    DANGLING = "dangling"
    UNUSABLE = "unusable"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was left out: ``name`` is a digest, or a repository's with a tag or link."""

    kind: Kind
    name: str
    detail: str

    def facts(self) -> dict[str, Any]:
        """The finding as JSON has it."""
        return asdict(self)

    def __str__(self) -> str:
        # Whoever could write to the folder has chosen its names.
        name = self.name if self.name.isascii() and self.name.isprintable() else quote(self.name)
        return f"{self.kind} {name}: {self.detail}"


@dataclass(slots=True)
class Tally:
    """Counts; sizes are in bytes. Each blob counts once, links once for each repository.

    ``linked`` and ``copied`` blobs are new in the store, ``held`` ones were there before.
    ``absent`` is what a repository is said to have and the folder has not: it has expired.
    ``unproved`` repositories are those whose content upstream has still to vouch for. In a dry run
    nothing tells yet which blobs can be linked: ``linked`` has them all.
    """

    repositories: int = 0
    linked: int = 0
    linked_size: int = 0
    copied: int = 0
    copied_size: int = 0
    held: int = 0
    absent: int = 0
    links: int = 0
    manifests: int = 0
    tags: int = 0
    unproved: int = 0
    findings: int = 0

    def count(self, adopted: Adopted, size: int) -> None:
        """One more blob, of so many bytes."""
        if adopted is Adopted.LINKED:
            self.linked, self.linked_size = self.linked + 1, self.linked_size + size
        else:
            self.copied, self.copied_size = self.copied + 1, self.copied_size + size

    def facts(self) -> dict[str, int]:
        """The tally as JSON has it."""
        return asdict(self)
