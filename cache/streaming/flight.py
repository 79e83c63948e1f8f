"""Work that many want at once is done once: in a process, and across processes."""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar, cast

from cache.streaming.reading import is_at

log = logging.getLogger(__name__)

T = TypeVar("T")

_LOOK_AGAIN = 0.01


class Flights:
    """Shares the outcome of one call among all threads that ask for the same thing meanwhile."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._flying: dict[tuple[object, ...], Future[Any]] = {}

    def share(self, key: tuple[object, ...], work: Callable[[], T]) -> T:
        """The value of ``work()``, called by one of the threads; its exception goes to all."""
        with self._lock:
            future = self._flying.get(key)
            mine = future is None
            if future is None:
                future = self._flying[key] = Future()
        if mine:
            try:
                future.set_result(work())
            except BaseException as error:  # noqa: BLE001 - raised again by result()
                future.set_exception(error)
            finally:
                with self._lock:
                    del self._flying[key]
        return cast("T", future.result())


@contextmanager
def exclusive(folder: Path, key: str, timeout: float) -> Iterator[bool]:
    """Hold ``key`` against all other processes while the block runs; the block is told if so.

    After ``timeout`` seconds, or where no lock file can be made, it goes on without: the lock
    saves work, nothing depends on it. It falls with its process.
    """
    path = lock_file(folder, key)
    with ExitStack() as held:
        try:
            is_held = held.enter_context(exclusive_file(path, timeout))
        except OSError as error:
            log.warning("Work is not shared with other processes: %s", error)
            is_held = False
        yield is_held


def lock_file(folder: Path, key: str) -> Path:
    """The file in ``folder`` by which :func:`exclusive` holds ``key``."""
    return folder / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.lock"


@contextmanager
def exclusive_file(path: Path, timeout: float) -> Iterator[bool]:
    """Like :func:`exclusive`, with a lock file of the caller's, which goes with the lock.

    Raises ``OSError`` where that file cannot be made.
    """
    fd = _lock(path, time.monotonic() + timeout)
    try:
        yield fd is not None
    finally:
        if fd is not None:
            # What cannot be removed is swept at the next start.
            with suppress(OSError):
                path.unlink(missing_ok=True)
            os.close(fd)


def _lock(path: Path, deadline: float) -> int | None:
    while True:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if is_at(path, fd):
                return fd
        except BlockingIOError:
            pass
        os.close(fd)
        if time.monotonic() >= deadline:
            return None
        time.sleep(_LOOK_AGAIN)
