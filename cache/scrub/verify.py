"""One pass through the store: every blob is read again, and the records are compared with it."""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Protocol

from cache.oci.digest import Digest
from cache.scrub.findings import Finding, Kind
from cache.scrub.pace import Pace
from cache.scrub.place import Place, resumable, save_place
from cache.scrub.reading import read_from_disk
from cache.streaming.store import Store
from cache.streaming.sweep import KEPT

log = logging.getLogger(__name__)

#: The place is kept at most this often (seconds).
_SAVE_STEP = 1.0

#: A fill becomes visible a moment before it is recorded, and an eviction is no single step either:
#: what does not fit together is looked at again after this many seconds.
SECOND_LOOK = 2.0

#: So many such doubts are noted in a pass, the rest is for the next one.
_MOST_DOUBTS = 100_000

_PAGE = 1000

#: The disk has lost the bytes.
_LOST = frozenset({errno.EIO, errno.EBADMSG, errno.EUCLEAN})

#: The bytes may be well: whoever put the file there must let us read it.
_FORBIDDEN = frozenset({errno.EACCES, errno.EPERM})


class Records(Protocol):
    """What the database knows of held blobs; sizes in bytes. :mod:`cache.catalog` is one.

    What is told is not always taken, and whether it was is the answer.
    """

    def recorded_size(self, digest: Digest) -> int | None:
        """The size of a blob that is recorded as held."""

    def list_recorded(self, limit: int, last: str) -> list[tuple[Digest, int]]:
        """Up to ``limit`` of them, in the order of the digests' text, after ``last``."""

    def record_blob(self, digest: Digest, size: int, now: datetime) -> bool:
        """The store holds the blob."""

    def forget_blob(self, digest: Digest) -> bool:
        """The store does not hold it."""


@dataclass(frozen=True, slots=True)
class Job:
    """What a pass works on. With ``repair`` it puts right what it finds, otherwise it only looks.

    ``on_progress`` is given the bytes that the pass has read, ``on_finding`` each finding. A fill
    that nobody has continued for ``kept_parts`` seconds was given up.
    """

    store: Store
    records: Records
    pace: Pace
    repair: bool
    now: Callable[[], datetime]
    on_finding: Callable[[Finding], None]
    on_progress: Callable[[int], None] = lambda _read: None
    kept_parts: float = KEPT


def verify(job: Job, place_file: Path, *, restart: bool = False) -> Place:
    """Go through the whole store, from where an unfinished pass of the same kind has stopped.

    The place is kept in ``place_file``, also when this ends early, which nothing is lost by.
    Raises ``OSError`` and whatever the records raise.
    """
    place = resumable(place_file, repair=job.repair, restart=restart)
    if place is None:
        place = Place(began=job.now().timestamp(), repair=job.repair)
    doubts: list[Digest] = []
    saved_at = job.pace.clock()
    try:
        for digest, size in job.store.blobs(place.after):
            finding = _check(job, digest, place.size, doubts)
            place = place.past(digest, size)
            if finding is not None:
                place = _report(job, place, finding)
            if job.pace.clock() - saved_at >= _SAVE_STEP:
                saved_at = job.pace.clock()
                _keep(place_file, place)
        # Not kept before the end: a pass that stops in here does all of it again.
        finished = place.finished()
        for finding in _compare(job, doubts):
            finished = _report(job, finished, finding)
        place = finished
    finally:
        _keep(place_file, place)
    return place


def _keep(place_file: Path, place: Place) -> None:
    """Keep the place if the disk takes it: a full disk can be checked all the same."""
    try:
        save_place(place_file, place)
    except OSError as error:
        log.warning("The scrub's place cannot be kept: %s", error)


def _report(job: Job, place: Place, finding: Finding) -> Place:
    job.on_finding(finding)
    return place.having(finding)


def _check(job: Job, digest: Digest, read_before: int, doubts: list[Digest]) -> Finding | None:
    """Read one blob; what is wrong with it, if anything. A blob that has gone is well."""
    try:
        file = job.store.open(digest)
    except OSError as error:
        return _unreadable(job, digest, error, None)
    if file is None:
        return None
    with file:
        hasher = digest.hasher()
        size = 0
        try:
            for data in read_from_disk(file, job.pace):
                hasher.update(data)
                size += len(data)
                job.on_progress(read_before + size)
        except OSError as error:
            return _unreadable(job, digest, error, file)
        recorded = job.records.recorded_size(digest)
        if hasher.hexdigest() != digest.hex:
            return _damaged(job, digest, file, size, recorded)
    if recorded is None and len(doubts) < _MOST_DOUBTS:
        doubts.append(digest)
    if recorded in (None, size):
        return None
    detail = f"it has {size} bytes and was recorded with {recorded}"
    is_repaired = job.repair and job.records.record_blob(digest, size, job.now())
    return Finding(Kind.MISRECORDED, str(digest), detail, is_repaired)


def _damaged(job: Job, digest: Digest, file: BinaryIO, size: int, recorded: int | None) -> Finding:
    detail = "its bytes have another digest"
    if recorded not in (None, size):
        detail = f"it has {size} bytes and had {recorded}"
    is_repaired = job.repair and _put_aside(job, digest, file)
    return Finding(Kind.DAMAGED, str(digest), detail, is_repaired)


def _unreadable(job: Job, digest: Digest, error: OSError, file: BinaryIO | None) -> Finding:
    """The finding; any error that says nothing of this blob alone is raised."""
    if error.errno not in _LOST | _FORBIDDEN:
        raise error
    is_repaired = job.repair and error.errno in _LOST and _put_aside(job, digest, file)
    return Finding(Kind.UNREADABLE, str(digest), error.strerror or "it cannot be read", is_repaired)


def _put_aside(job: Job, digest: Digest, file: BinaryIO | None) -> bool:
    """Take the blob out of the store and of the records, unless a pull has healed it already."""
    is_aside = job.store.quarantine(digest, file)
    if is_aside:
        job.records.forget_blob(digest)
    return is_aside


def _compare(job: Job, doubts: list[Digest]) -> Iterator[Finding]:
    """What is wrong beside the blobs' bytes. ``doubts`` are sound blobs without a record."""
    missing = _missing(job)
    if doubts or missing:
        job.pace.sleep(SECOND_LOOK)
    for digest in doubts:
        size = job.store.stat(digest)
        if size is not None and job.records.recorded_size(digest) is None:
            is_repaired = job.repair and job.records.record_blob(digest, size, job.now())
            detail = "it is held and not recorded"
            yield Finding(Kind.UNRECORDED, str(digest), detail, is_repaired)
    for digest in missing:
        if job.records.recorded_size(digest) is not None and job.store.stat(digest) is None:
            is_repaired = job.repair and job.records.forget_blob(digest)
            detail = "it is recorded and not held"
            yield Finding(Kind.MISSING, str(digest), detail, is_repaired)
    for stray in job.store.strays(job.now().timestamp() - job.kept_parts):
        kind = Kind.STRANGER if stray.kind == "stranger" else Kind.LEFTOVER
        detail = "it is no blob" if kind is Kind.STRANGER else "it is of a fill that was given up"
        is_repaired = job.repair and job.store.clear(stray)
        yield Finding(kind, stray.name, detail, is_repaired)


def _missing(job: Job) -> list[Digest]:
    """Blobs that are recorded and not in the store, as it seems at first sight."""
    missing: list[Digest] = []
    last = ""
    while page := job.records.list_recorded(_PAGE, last):
        missing += [digest for digest, _ in page if job.store.stat(digest) is None]
        last = str(page[-1][0])
        if len(missing) >= _MOST_DOUBTS:
            break
    return missing
