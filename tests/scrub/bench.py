"""What a scrub works on, where a test sees all of it: a real store, records and time in memory."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from cache.oci.digest import Digest
from cache.scrub import Finding, Job, Pace, Place, verify
from cache.scrub.verify import SECOND_LOOK
from cache.streaming.store import FileStore

FAST = 1024**4
NOW = datetime(2031, 5, 4, 12, tzinfo=UTC)


class Clock:
    """Time that passes only in `sleep`; `before_second_look` is what happens in that one."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.naps: list[float] = []
        self.before_second_look: Callable[[], object] = lambda: None

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.now += seconds
        if seconds == SECOND_LOOK:
            self.before_second_look()


class MemoryRecords:
    """The records of held blobs, as the database would have them."""

    def __init__(self) -> None:
        self.sizes: dict[Digest, int] = {}

    def recorded_size(self, digest: Digest) -> int | None:
        return self.sizes.get(digest)

    def list_recorded(self, limit: int, last: str) -> list[tuple[Digest, int]]:
        rows = sorted((str(digest), size) for digest, size in self.sizes.items())
        return [(Digest.parse(text), size) for text, size in rows if text > last][:limit]

    def record_blob(self, digest: Digest, size: int, now: datetime) -> bool:  # noqa: ARG002
        self.sizes[digest] = size
        return True

    def forget_blob(self, digest: Digest) -> bool:
        self.sizes.pop(digest, None)
        return True


@dataclass
class Bench:
    store: FileStore
    records: MemoryRecords = field(default_factory=MemoryRecords)
    clock: Clock = field(default_factory=Clock)
    findings: list[Finding] = field(default_factory=list)

    @property
    def place_file(self) -> Path:
        return self.store.root / "scrub.json"

    def path(self, digest: Digest) -> Path:
        return self.store.root / "blobs" / digest.algorithm / digest.hex[:2] / digest.hex

    def hold(self, data: bytes, algorithm: str = "sha256", *, recorded: bool = True) -> Digest:
        """Have a blob committed, and recorded unless the filler was killed just before that."""
        digest = Digest.of(data, algorithm)
        part = self.store.begin(digest)
        assert part is not None
        part.write(data)
        self.store.commit(digest, part)
        part.close()
        if recorded:
            self.records.sizes[digest] = len(data)
        return digest

    def hold_many(self, count: int, size: int = 1000) -> list[Digest]:
        """So many blobs, in the order of their digests."""
        digests = [self.hold(random.Random(seed).randbytes(size)) for seed in range(count)]
        return sorted(digests, key=str)

    def job(
        self,
        *,
        repair: bool = False,
        rate: int = FAST,
        on_progress: Callable[[int], None] = lambda _read: None,
        store: FileStore | None = None,
    ) -> Job:
        return Job(
            store=store or self.store,
            records=self.records,
            pace=Pace(rate, self.clock, self.clock.sleep),
            repair=repair,
            now=lambda: NOW,
            on_finding=self.findings.append,
            on_progress=on_progress,
        )

    def scrub(self, *, repair: bool = False) -> Place:
        """One pass; what it finds is in `findings`."""
        self.findings.clear()
        return verify(self.job(repair=repair), self.place_file)

    def found(self) -> list[tuple[str, str]]:
        """Kind and name of all findings so far."""
        return [(str(finding.kind), finding.name) for finding in self.findings]

    def quarantined(self) -> list[str]:
        folder = self.store.root / "quarantine"
        return sorted(path.name for path in folder.iterdir()) if folder.exists() else []
