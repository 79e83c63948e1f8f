"""Writing: a logging handler with files of its process, of which the older ones are replaced."""

from __future__ import annotations

import logging
import os
import time
from collections import deque
from contextlib import suppress
from pathlib import Path

from cache.logbook.entry import entry_of, entry_of_request, to_line
from cache.request import Request

#: Bytes of one file. A process has two, so at least so much of its past is kept.
LARGEST_FILE = 1024 * 1024

#: Files of processes that have ended stay readable until there are more than so many in all.
MOST_FILES = 40

#: So many of a process's requests are kept between two times that they are written down, a second
#: mostly. A page shows the last few hundred, and each costs several times its line of text.
MOST_REQUESTS = 200

SUFFIX = ".jsonl"
REQUESTS_SUFFIX = ".requests"
OLD = ".old"


class _Pages:
    """This process's file of a kind, and the one before it. It survives a fork."""

    def __init__(self, folder: Path, suffix: str, largest: int) -> None:
        self._folder = folder
        self._suffix = suffix
        self._largest = largest
        self._process = 0
        self._fd = -1
        self._size = 0

    def append(self, lines: bytes) -> None:
        """Write whole lines; raises ``OSError``."""
        if self._process != os.getpid() or self._fd < 0:
            self._open()
        elif self._size + len(lines) > self._largest:
            with suppress(FileNotFoundError):
                self._path("").replace(self._path(OLD))
            os.close(self._fd)
            self._open()
        os.write(self._fd, lines)
        self._size += len(lines)

    def close(self) -> None:
        if self._fd >= 0 and self._process == os.getpid():
            os.close(self._fd)
        self._fd = -1

    def _open(self) -> None:
        # What a fork left open is the parent's.
        self._fd = -1
        self._folder.mkdir(mode=0o700, exist_ok=True)
        self._process = os.getpid()
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        self._fd = os.open(self._path(""), flags, 0o600)
        self._size = os.fstat(self._fd).st_size

    def _path(self, age: str) -> Path:
        return self._folder / f"{os.getpid()}{age}{self._suffix}"


class Writer(logging.Handler):
    """Appends each record to this process's file in ``folder``, and its requests to another one.

    Requests are many, and would be all that is left: so they have a file of their own, wait until
    they are flushed, and only the last :data:`MOST_REQUESTS` do. What cannot be written is lost
    here, and only here: standard error has it too.
    """

    def __init__(self, folder: Path, largest: int = LARGEST_FILE) -> None:
        super().__init__()
        self._records = _Pages(folder, SUFFIX, largest)
        self._requests = _Pages(folder, REQUESTS_SUFFIX, largest)
        self._ended: deque[tuple[float, Request]] = deque(maxlen=MOST_REQUESTS)
        self._number = 0

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._number += 1
            line = to_line(entry_of(record, self._number))
            with suppress(OSError):
                self._records.append(line)
        except Exception:  # noqa: BLE001 - a record must not break what it reports
            self.handleError(record)

    def note(self, request: Request) -> None:
        """A request has ended; costs next to nothing."""
        self._ended.append((time.time(), request))

    def flush(self) -> None:
        """Write down which requests have ended since the last time."""
        self.acquire()
        try:
            lines = []
            while self._ended:
                self._number += 1
                lines.append(to_line(entry_of_request(*self._ended.popleft(), self._number)))
            if lines:
                with suppress(OSError):
                    self._requests.append(b"".join(lines))
        finally:
            self.release()

    def close(self) -> None:
        self._records.close()
        self._requests.close()
        super().close()


def attach(folder: Path) -> Writer:
    """Have every record of this process written to ``folder`` too, once.

    A process that was forked off has its parent's way of writing, into a file of its own. For each
    that begins, files of processes that have ended may go.
    """
    attached = _attached()
    if attached is None:
        attached = Writer(folder)
        logging.getLogger().addHandler(attached)
    for suffix in (SUFFIX, REQUESTS_SUFFIX):
        _sweep(folder, suffix)
    return attached


def flush() -> None:
    """Write down what waits in this process, if anything is written down."""
    attached = _attached()
    if attached is not None:
        attached.flush()


def _attached() -> Writer | None:
    handlers = logging.getLogger().handlers
    return next((handler for handler in handlers if isinstance(handler, Writer)), None)


def _sweep(folder: Path, suffix: str) -> None:
    """Leave the latest :data:`MOST_FILES`, and those of whoever still writes."""
    with suppress(OSError):
        files = sorted(folder.glob(f"*{suffix}"), key=lambda path: path.stat().st_mtime)
        for path in files[:-MOST_FILES]:
            if not _is_running(path.name.partition(".")[0]):
                path.unlink(missing_ok=True)


def _is_running(process: str) -> bool:
    try:
        os.kill(int(process), 0)
    except PermissionError:
        return True  # as somebody else
    except (ProcessLookupError, ValueError, OverflowError):
        return False
    return True
