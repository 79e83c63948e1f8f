"""The scrub of the serving mirror: one pass in each interval, in one of its processes."""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from cache.scrub.findings import DAMAGE, Finding
from cache.scrub.place import Place, load_place
from cache.scrub.verify import Job, verify
from cache.streaming.reading import is_at

log = logging.getLogger(__name__)

#: After a failure (the disk, the database), seconds until the pass goes on from its place.
TRY_AGAIN = 300.0

#: Longest sleep (seconds): the clock may be set while it lasts.
_NAP = 3600.0


def keep_verifying(job: Job, place_file: Path, lock_file: Path, interval: float) -> NoReturn:
    """Begin a pass every ``interval`` seconds, for ever; a pass that broke off goes on first.

    Waits until no other process does so, and outlives whatever goes wrong in a pass. Raises
    ``OSError`` if the lock cannot be had at all.
    """
    with alone(lock_file, wait=True):
        place = load_place(place_file)
        while True:
            wait = due_in(place, interval, job.now().timestamp())
            if wait > 0:
                job.pace.sleep(min(wait, _NAP))
                continue
            try:
                place = verify(job, place_file)
                log_end(place)
            except Exception:
                log.exception("The scrub stopped; it goes on in %g s", TRY_AGAIN)
                job.pace.sleep(TRY_AGAIN)


def due_in(place: Place | None, interval: float, now: float) -> float:
    """Seconds until there is something to do, for a place at which the last pass is."""
    if place is None or not place.is_finished:
        return 0.0
    # A clock that was set back must not put the next pass off for longer than usual.
    return min(interval, place.began + interval - now)


def log_finding(finding: Finding) -> None:
    """Tell the operator: an error if a blob was lost, otherwise a warning."""
    level = logging.ERROR if finding.kind in DAMAGE else logging.WARNING
    log.log(level, "The scrub found %s", finding)


def log_end(place: Place) -> None:
    """Tell the operator that a pass is done."""
    log.info(
        "The scrub has read %d blobs of %d bytes and found %d things wrong",
        place.blobs,
        place.size,
        place.total_findings,
    )


@contextmanager
def alone(lock_file: Path, *, wait: bool) -> Iterator[bool]:
    """Hold a lock against all other processes while the block runs; the block is told if so.

    It falls with its process. Without ``wait`` the block is run at once. Raises ``OSError``.
    """
    fd = _lock(lock_file, wait=wait)
    try:
        yield fd is not None
    finally:
        if fd is not None:
            os.close(fd)


def _lock(path: Path, *, wait: bool) -> int | None:
    while True:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            if is_at(path, fd):
                return fd
        except BlockingIOError:
            os.close(fd)
            return None
        except BaseException:
            os.close(fd)
            raise
        # A starting mirror has swept the file away, as it does with locks that nobody holds.
        os.close(fd)
