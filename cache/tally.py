"""What passes through this process, added up in memory and written down in batches.

A pull is counted where a client asks what an image is: with a HEAD of a manifest, or with the GET
of a tag by clients that send no HEAD. The GETs that follow, of the index and of the image in it,
are of the same pull. Hits and misses are answered GETs of manifests and blobs.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime

from cache.oci.repository import Repository

#: So many repositories wait for the database at most; what comes beyond is not counted.
MOST_REPOSITORIES = 20_000

#: So many of the last pulls are remembered in each process.
LAST_PULLS = 20
LONGEST_AGENT = 200


@dataclass(slots=True)
class Counts:
    """Sums. ``served`` and ``fetched`` are bytes to clients and from upstream.

    ``stale`` is how many of the pulls got the last known answer, since upstream gave none.

    ``fetch_ms`` is how long (milliseconds) upstream took for the fetched bytes of blobs.
    """

    requests: int = 0
    pulls: int = 0
    hits: int = 0
    misses: int = 0
    stale: int = 0
    served: int = 0
    fetched: int = 0
    fetch_ms: int = 0

    def add(self, other: Counts) -> None:
        """Add the other's sums to these."""
        # By name, and not in a loop over all of them: twice in the course of every pull.
        self.requests += other.requests
        self.pulls += other.pulls
        self.hits += other.hits
        self.misses += other.misses
        self.stale += other.stale
        self.served += other.served
        self.fetched += other.fetched
        self.fetch_ms += other.fetch_ms


NAMES = tuple(field.name for field in fields(Counts))


@dataclass(frozen=True, slots=True)
class Pull:
    """A client began to pull ``reference`` of a repository, at ``at``."""

    at: datetime
    client: str
    agent: str
    repository: str
    reference: str


class Tally:
    """What this process has counted since it was last asked. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[Repository, Counts] = {}
        self._pulls: deque[Pull] = deque(maxlen=LAST_PULLS)

    def count(self, repository: Repository, counts: Counts) -> None:
        """Add to what the repository has."""
        with self._lock:
            held = self._counts.get(repository)
            if held is not None:
                held.add(counts)
            elif len(self._counts) < MOST_REPOSITORIES:
                self._counts[repository] = counts

    def waiting(self) -> int:
        """How many repositories have sums that have yet to be taken."""
        with self._lock:
            return len(self._counts)

    def note_pull(self, pull: Pull) -> None:
        """Remember who pulled last."""
        self._pulls.append(pull)

    def last_pulls(self) -> list[Pull]:
        """The last pulls of this process, the latest last."""
        return list(self._pulls)

    def take(self) -> Mapping[Repository, Counts]:
        """The sums since this was last called."""
        with self._lock:
            taken, self._counts = self._counts, {}
            return taken

    def put_back(self, taken: Mapping[Repository, Counts]) -> None:
        """What was taken could not be written: it waits for the next time."""
        for repository, counts in taken.items():
            self.count(repository, counts)
