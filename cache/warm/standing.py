"""How far each image is, and all of them together."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class State(StrEnum):
    """WAITING for its turn, ASKING for its manifests, FETCHING its blobs.

    Ends: HERE (all of it), PRICED (by a dry run), FAILED, STOPPED (left alone for a quota's sake,
    or since nothing can be stored).
    """

    WAITING = "waiting"
    ASKING = "asking"
    FETCHING = "fetching"
    HERE = "here"
    PRICED = "priced"
    FAILED = "failed"
    STOPPED = "stopped"

    @property
    def is_end(self) -> bool:
        return self in (State.HERE, State.PRICED, State.FAILED, State.STOPPED)


@dataclass(frozen=True, slots=True)
class Standing:
    """One image. Sizes are in bytes, of blobs; ``missing`` is what had to come when it began.

    ``arrived`` of ``total`` are here by now; ``unsized`` blobs have no size in their manifests.
    ``own_missing`` leaves out what an image before it had to have come, too. ``fetched``
    manifests count against a quota, ``checked`` tags do not. ``stale`` is in seconds since
    upstream has confirmed the tag, if it could not be asked.
    """

    name: str
    upstream: str
    where: str
    state: State
    problem: str = ""
    blobs: int = 0
    total: int = 0
    arrived: int = 0
    missing: int = 0
    own_missing: int = 0
    unsized: int = 0
    manifests: int = 0
    fetched: int = 0
    checked: int = 0
    stale: int | None = None

    def facts(self) -> dict[str, Any]:
        """For programs."""
        return {
            "name": self.name,
            "where": self.where,
            "state": str(self.state),
            "problem": self.problem,
            "blobs": self.blobs,
            "bytes": self.total,
            "bytes_here": self.arrived,
            "bytes_missing_before": self.own_missing,
            "blobs_of_unknown_size": self.unsized,
            "manifests": self.manifests,
            "manifests_fetched": self.fetched,
            "tags_checked": self.checked,
            "stale_for": self.stale,
        }


@dataclass(frozen=True, slots=True)
class Overview:
    """All images. What several of them share counts once in ``total``, ``arrived``, ``missing``.

    ``brought`` is how many bytes have arrived since the beginning.
    """

    images: tuple[Standing, ...]
    total: int
    arrived: int
    missing: int
    missing_blobs: int
    brought: int

    def count(self, *states: State) -> int:
        return sum(image.state in states for image in self.images)

    @property
    def fetched(self) -> Counter[str]:
        """Manifests that came from upstream, by upstream."""
        fetched: Counter[str] = Counter()
        for image in self.images:
            fetched[image.upstream] += image.fetched
        return +fetched

    @property
    def checked(self) -> int:
        return sum(image.checked for image in self.images)

    def facts(self) -> dict[str, Any]:
        """For programs."""
        return {
            **{str(state): self.count(state) for state in State if state.is_end},
            "bytes": self.total,
            "bytes_here": self.arrived,
            "bytes_missing_before": self.missing,
            "bytes_brought": self.brought,
            "manifests_fetched": dict(self.fetched),
            "tags_checked": self.checked,
        }
