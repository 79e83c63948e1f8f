"""The scrub's place in the store, kept in a file so that a stop loses next to nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from cache.oci.digest import Digest
from cache.oci.errors import RegistryError
from cache.scrub.findings import Finding, Kind

#: A state file that is larger (bytes) is none of ours.
_LARGEST = 64 * 1024


def _nothing() -> Mapping[Kind, int]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Place:
    """How far one pass through the store has come.

    It began at ``began`` (seconds since the epoch) and has checked ``blobs`` blobs of ``size``
    bytes together, the last of them ``after``. A pass with ``repair`` puts right what it finds.
    """

    began: float
    repair: bool
    after: Digest | None = None
    blobs: int = 0
    size: int = 0
    findings: Mapping[Kind, int] = field(default_factory=_nothing)
    is_finished: bool = False

    @property
    def total_findings(self) -> int:
        """How many things were found wrong, of whatever kind."""
        return sum(self.findings.values())

    def past(self, digest: Digest, size: int) -> Place:
        """One blob further."""
        return replace(self, after=digest, blobs=self.blobs + 1, size=self.size + size)

    def having(self, finding: Finding) -> Place:
        """One finding more."""
        count = self.findings.get(finding.kind, 0) + 1
        return replace(self, findings=MappingProxyType({**self.findings, finding.kind: count}))

    def finished(self) -> Place:
        """At the end."""
        return replace(self, is_finished=True)

    def facts(self) -> dict[str, Any]:
        """The place as JSON has it."""
        return {
            "began": self.began,
            "repair": self.repair,
            "after": str(self.after) if self.after else None,
            "blobs": self.blobs,
            "size": self.size,
            "findings": {str(kind): count for kind, count in self.findings.items()},
            "is_finished": self.is_finished,
        }


def resumable(path: Path, *, repair: bool, restart: bool = False) -> Place | None:
    """The place from which a pass of this kind goes on; None if it begins anew.

    What one that only looked has found still waits for the repair, so a repair begins anew.
    """
    place = load_place(path)
    if place is None or place.is_finished or restart or place.repair != repair:
        return None
    return place


def load_place(path: Path) -> Place | None:
    """The place that was kept in ``path``; None if there is none that can be understood."""
    try:
        with path.open("rb") as file:
            return _place(json.loads(file.read(_LARGEST)))
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError, RegistryError):
        return None


def save_place(path: Path, place: Place) -> None:
    """Keep the place, whole or not at all; raises ``OSError``."""
    draft = path.with_name(f"{path.name}.new")
    draft.write_text(json.dumps(place.facts()), encoding="utf-8")
    draft.replace(path)


def _place(facts: dict[str, Any]) -> Place:
    after = facts["after"]
    return Place(
        began=float(facts["began"]),
        repair=bool(facts["repair"]),
        after=Digest.parse(after) if after is not None else None,
        blobs=int(facts["blobs"]),
        size=int(facts["size"]),
        findings=MappingProxyType(
            {Kind(kind): int(count) for kind, count in facts["findings"].items()}
        ),
        is_finished=bool(facts["is_finished"]),
    )
