"""Small records that all processes of a mirror share, and that outlive them: tokens, quotas.

They save questions to upstream, and nothing else depends on them: a record that cannot be read is
none, and one that cannot be written is known to this process alone.
"""

from __future__ import annotations

import functools
import hashlib
import json
import logging
import os
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

LARGEST_RECORD = 64 * 1024
MOST_KEPT = 2000

Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Seen:
    """A record, never shown since it may hold a token, and the file that was there then, if any."""

    stamp: tuple[int, int, int] | None
    record: Record | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Version:
    """What `number` the file had that was there then, if any."""

    stamp: tuple[int, int, int] | None
    number: int


class Memory:
    """Records by key, as files of ``folder`` that only the mirror's own user can read. Thread-safe.

    ``exclusive`` is a lock over all processes, with a key and a timeout in seconds.
    """

    def __init__(
        self, folder: Path, exclusive: Callable[[str, float], AbstractContextManager[bool]]
    ) -> None:
        self._folder = folder
        self._exclusive = exclusive
        self._lock = threading.Lock()
        self._seen: dict[str, _Seen] = {}
        self._versions: dict[str, _Version] = {}
        self._last_version = 0
        self._path = functools.lru_cache(MOST_KEPT)(functools.partial(_path_of, folder))

    @contextmanager
    def exclusive(self, key: str, timeout: float) -> Iterator[bool]:
        """Hold ``key`` against all other processes for a block; the block is told if that is so.

        It goes on without after ``timeout`` seconds, or if there can be no lock.
        """
        with ExitStack() as stack:
            try:
                is_held = stack.enter_context(self._exclusive(key, timeout))
            except OSError as error:
                log.warning("A record of the mirror cannot be locked: %s", error.strerror)
                is_held = False
            yield is_held

    def read(self, key: str) -> Record | None:
        """What was last written under ``key``, by whichever process; costs one stat(2) mostly."""
        path = self._path(key)
        stamp = _stamp(path)
        seen = self._seen.get(key)
        if seen is not None and seen.stamp == stamp:
            return seen.record
        record = _load(path) if stamp is not None else None
        self._keep(key, _Seen(stamp, record))
        return record

    def version(self, key: str) -> int:
        """A number that is greater than before whenever the record was found to be another one.

        Also if it cannot be read, as another user has written it. For a few keys of the program's
        own: they are kept for good.
        """
        path = self._path(key)
        known = self._versions.get(key)
        if known is not None and known.stamp == _stamp(path):
            return known.number
        with self._lock:
            # What was seen before the lock may be older than what somebody else has noted since.
            stamp, known = _stamp(path), self._versions.get(key)
            if known is None or known.stamp != stamp:
                self._last_version += 1
                known = self._versions[key] = _Version(stamp, self._last_version)
            return known.number

    def write(self, key: str, record: Record) -> None:
        """Replace the record, for all processes at once or not at all."""
        path = self._path(key)
        try:
            self._replace(path, json.dumps(record).encode())
        except OSError as error:
            log.warning("A record of the mirror cannot be shared: %s", error)
            with self._lock:
                self._versions.pop(key, None)
            # It is this process's own, until another one has a newer to share.
            self._keep(key, _Seen(_stamp(path), record))
        else:
            self._keep(key, _Seen(_stamp(path) or (0, 0, 0), record))

    def forget(self, key: str) -> None:
        """Remove the record."""
        with suppress(OSError):
            self._path(key).unlink(missing_ok=True)
        with self._lock:
            self._seen.pop(key, None)

    def sweep(self, before: float) -> None:
        """Remove what was written before that moment (seconds since the epoch)."""
        with suppress(OSError):
            for path in self._folder.iterdir():
                if path.stat().st_mtime < before:
                    path.unlink(missing_ok=True)

    def _keep(self, key: str, seen: _Seen) -> None:
        with self._lock:
            self._seen.pop(key, None)
            self._seen[key] = seen
            while len(self._seen) > MOST_KEPT:
                del self._seen[next(iter(self._seen))]

    def _replace(self, path: Path, content: bytes) -> None:
        self._folder.mkdir(mode=0o700, exist_ok=True)
        # mkstemp's files can be read by their owner alone.
        fd, draft = tempfile.mkstemp(dir=self._folder, prefix=".")
        try:
            with os.fdopen(fd, "wb") as file:
                file.write(content)
            Path(draft).replace(path)
        except BaseException:
            Path(draft).unlink(missing_ok=True)
            raise


def _path_of(folder: Path, key: str) -> Path:
    """Where the record stands: the way there is made once, and gone at every pull."""
    return folder / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.json"


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _load(path: Path) -> Record | None:
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_RECORD + 1)
        record = json.loads(content) if len(content) <= LARGEST_RECORD else None
    except (OSError, ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None
