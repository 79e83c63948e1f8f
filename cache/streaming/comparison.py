"""Whether a transfer that begins anew brings the bytes that the one before it brought."""

from __future__ import annotations

import os

_STEP = 1024 * 1024


class Comparison:
    """Compares two files as the second one grows; both descriptors stay the caller's."""

    def __init__(self, old: int, new: int) -> None:
        self._old = old
        self._new = new
        self._compared = 0
        self._over = False
        #: The first byte that differs, None as long as none is known to.
        self.diverged_at: int | None = None

    def advance(self, arrived: int) -> None:
        """Look at what the new file has, now that it has ``arrived`` bytes."""
        while not self._over and self._compared < arrived:
            step = min(_STEP, arrived - self._compared)
            before = os.pread(self._old, step, self._compared)
            after = os.pread(self._new, len(before), self._compared)
            if before != after:
                same = len(os.path.commonprefix([before, after]))  # noqa: RUF071 - any sequences
                self.diverged_at = self._compared + same
            self._over = before != after or len(before) < step
            self._compared += step
