"""Room on the disk: what must stay free, and who makes room when it would not.

This room only knows that somebody may be asked; see :mod:`cache.runtime` for whom.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

#: When it was found that nothing can be removed, fills do not ask again for so long (seconds).
_NO_HOPE = 10.0


@dataclass(frozen=True, slots=True)
class Space:
    """A file system, in bytes. ``free`` is what this user may still write."""

    total: int
    free: int


def space_of(folder: Path) -> Space:
    """The file system below ``folder``; raises ``OSError``."""
    found = os.statvfs(folder)
    return Space(found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize)


class Room:
    """The room below ``folder``. Thread-safe.

    ``reserve`` says of a file system's size how much of it must stay free, and may be replaced.
    ``ask`` has somebody remove what it can so that so many bytes more can be written, and returns
    when that is done, or will not be done in time.
    """

    def __init__(
        self,
        folder: Path,
        reserve: Callable[[int], int] = lambda _total: 0,
        ask: Callable[[int], object] = lambda _wanted: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = folder
        self.reserve = reserve
        self._ask = ask
        self._clock = clock
        self._hopeless_until = float("-inf")
        self._was_made = False

    def make(self, wanted: int) -> bool:
        """Whether ``wanted`` bytes can be written and leave free what must be; raises ``OSError``.

        If not, somebody is asked for room first.
        """
        if self._has(wanted):
            return True
        if self._clock() < self._hopeless_until:
            return False
        self._ask(wanted)
        self._was_made = self._has(wanted)
        if self._was_made:
            return True
        self._hopeless_until = self._clock() + _NO_HOPE
        return False

    def is_full(self) -> bool:
        """Whether nothing more may be written, as far as is known; asks nobody. ``OSError``.

        What has fallen a little below the reserve is no trouble as long as room is made when it is
        asked for: then it is by the last asking.
        """
        return not self._was_made and not self._has(0)

    def _has(self, wanted: int) -> bool:
        space = space_of(self._folder)
        return space.free - wanted >= self.reserve(space.total)
