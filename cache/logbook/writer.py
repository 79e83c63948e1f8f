"""Writing: a logging handler with two files of its process, of which the older one is replaced."""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from pathlib import Path

from cache.logbook.entry import entry_of, to_line

#: Bytes of one file. A process has two, so at least so much of its past is kept.
LARGEST_FILE = 1024 * 1024

#: Files of processes that have ended stay readable until there are more than so many in all.
MOST_FILES = 40

SUFFIX = ".jsonl"
OLD_SUFFIX = ".old.jsonl"


class Writer(logging.Handler):
    """Appends each record to this process's file in ``folder``. It survives a fork.

    A record that cannot be written is lost here, and only here: standard error has it too.
    """

    def __init__(self, folder: Path, largest: int = LARGEST_FILE) -> None:
        super().__init__()
        self._folder = folder
        self._largest = largest
        self._process = 0
        self._fd = -1
        self._size = 0
        self._number = 0

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._number += 1
            line = to_line(entry_of(record, self._number))
            with suppress(OSError):
                self._append(line)
        except Exception:  # noqa: BLE001 - a record must not break what it reports
            self.handleError(record)

    def close(self) -> None:
        if self._fd >= 0 and self._process == os.getpid():
            os.close(self._fd)
        self._fd = -1
        super().close()

    def _append(self, line: bytes) -> None:
        if self._process != os.getpid() or self._fd < 0:
            self._open()
        elif self._size + len(line) > self._largest:
            path = self._path(SUFFIX)
            path.replace(self._path(OLD_SUFFIX))
            os.close(self._fd)
            self._open()
        os.write(self._fd, line)
        self._size += len(line)

    def _open(self) -> None:
        # What a fork left open is the parent's.
        self._fd = -1
        self._folder.mkdir(mode=0o700, exist_ok=True)
        self._process = os.getpid()
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        self._fd = os.open(self._path(SUFFIX), flags, 0o600)
        self._size = os.fstat(self._fd).st_size

    def _path(self, suffix: str) -> Path:
        return self._folder / f"{os.getpid()}{suffix}"


def attach(folder: Path) -> None:
    """Have every record of this process written to ``folder`` too, once."""
    root = logging.getLogger()
    if not any(isinstance(handler, Writer) for handler in root.handlers):
        root.addHandler(Writer(folder))
        _sweep(folder)


def _sweep(folder: Path) -> None:
    """Remove the oldest files, of processes that ended long ago."""
    with suppress(OSError):
        files = sorted(folder.glob(f"*{SUFFIX}"), key=lambda path: path.stat().st_mtime)
        for path in files[:-MOST_FILES]:
            path.unlink(missing_ok=True)
