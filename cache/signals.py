"""How a mirror's processes speak with each other about what is kept: through files of one folder.

The bell: fills ring it, the janitor hears it. The roll call: before something is evicted, every
process is asked to write down what was pulled through it until then.
"""

from __future__ import annotations

import fcntl
import os
import time
import uuid
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeAlias

#: Seconds between two looks at a file that somebody else is to write.
LOOK_AGAIN = 0.05

_LARGEST = 100

Stamp: TypeAlias = tuple[int, int] | None


class Bell:
    """Wakes the janitor. ``folder`` is made by whoever comes first."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._commits = folder / "commits"
        self._wanted = folder / "wanted"
        self._answered = folder / "answered"

    def ring(self) -> None:
        """The store has grown. Costs an utime(2); a disk that does not take it is passed over."""
        with suppress(OSError):
            _touch(self._commits)

    def ask(self, size: int, patience: float) -> bool:
        """Have room made for ``size`` bytes; whether the janitor has done what it could.

        Waits for it no longer than ``patience`` seconds: there may be none.
        """
        asked_at = time.time_ns()
        deadline = time.monotonic() + patience
        try:
            _replace(self._wanted, f"{asked_at} {size}")
        except OSError:
            # A disk that is full to the last byte. A ring needs none.
            self.ring()
        while time.monotonic() < deadline:
            if _numbers(self._answered, 1)[0] >= asked_at:
                return True
            time.sleep(LOOK_AGAIN)
        return False

    def heard(self) -> tuple[Stamp, Stamp]:
        """Changes when the bell was rung, or room was asked for, since it was last looked at."""
        return _stamp(self._commits), _stamp(self._wanted)

    def wanted(self) -> int:
        """The bytes for which room was asked and not answered yet."""
        asked_at, size = _numbers(self._wanted, 2)
        return size if asked_at > _numbers(self._answered, 1)[0] else 0

    def answer(self, began_at: int) -> None:
        """Tell who asked before ``began_at`` (nanoseconds since the epoch) that it is done.

        Raises ``OSError``.
        """
        _replace(self._answered, str(began_at))

    def answered_at(self) -> int:
        """When the janitor began what it did last (nanoseconds since the epoch); 0 is never."""
        return _numbers(self._answered, 1)[0]


class RollCall:
    """Who serves, and whether each of them has written down what it has in memory.

    A process answers by writing the call's number into its own file, which it holds locked as
    long as it lives.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._call = folder / "call"

    @contextmanager
    def joined(self) -> Iterator[Callable[[int], None]]:
        """Be called for as long as the block runs. The block is given how to answer a call.

        It answers with the call's number, as it was before the work was done.

        Raises ``OSError``.
        """
        path = self._folder / f"present-{os.getpid()}-{uuid.uuid4().hex[:8]}.lock"
        self._folder.mkdir(mode=0o700, exist_ok=True)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield lambda number: _answer(fd, number)
        finally:
            path.unlink(missing_ok=True)
            os.close(fd)

    def number(self) -> int:
        """The last call's; who has answered a lower one is called now."""
        return _numbers(self._call, 1)[0]

    def is_anybody_there(self) -> bool:
        """Whether a process that writes down what was pulled is alive; raises ``OSError``."""
        return any(True for _ in self._present())

    def call(self, patience: float, passed_over: Collection[str] = ()) -> list[str]:
        """Ask all to write down what they have; who did not within ``patience`` seconds.

        Those ``passed_over`` are asked too, and not waited for. Raises ``OSError``.
        """
        number = max(self.number() + 1, time.time_ns())
        _replace(self._call, str(number))
        deadline = time.monotonic() + patience
        while late := [
            path.name
            for path in self._present()
            if path.name not in passed_over and _numbers(path, 1)[0] < number
        ]:
            if time.monotonic() >= deadline:
                return late
            time.sleep(LOOK_AGAIN / 2)
        return []

    def present(self) -> int:
        """How many processes serve now: it falls with a process, however that ended."""
        return sum(1 for _ in self._present())

    def _present(self) -> Iterator[Path]:
        """The files of living processes; those of dead ones are removed."""
        for path in self._folder.glob("present-*.lock"):
            with suppress(FileNotFoundError):
                fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
                try:
                    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    path.unlink(missing_ok=True)
                except BlockingIOError:
                    yield path
                finally:
                    os.close(fd)


def _answer(fd: int, number: int) -> None:
    with suppress(OSError):
        os.pwrite(fd, f"{number}\n".encode(), 0)


def _touch(path: Path) -> None:
    try:
        os.utime(path)
    except FileNotFoundError:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        path.touch(mode=0o600)


def _replace(path: Path, content: str) -> None:
    path.parent.mkdir(mode=0o700, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}.{uuid.uuid4().hex[:8]}.new")
    try:
        draft.write_text(content, encoding="ascii")
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def _stamp(path: Path) -> Stamp:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


def _numbers(path: Path, count: int) -> list[int]:
    """The first numbers in a file; zeros if there are none."""
    try:
        with path.open("rb") as file:
            words = file.read(_LARGEST).split()
        return [int(word) for word in words[:count]] if len(words) >= count else [0] * count
    except (OSError, ValueError):
        return [0] * count
