"""How far a long command is: a bar on a terminal, now and then a line anywhere else."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from typing import TextIO

_REDRAW = 0.1
_LINE = 30.0
_BAR = 20
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


class Progress:
    """Shows bytes done of ``total``, the rate, the time to go and a count of findings.

    ``done`` bytes were done before. Written to ``stream``: a bar if it is a terminal, otherwise a
    line each half minute. ``clock`` is in seconds.
    """

    def __init__(
        self,
        stream: TextIO,
        total: int,
        done: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.findings = 0
        self._stream = stream
        self._is_bar = stream.isatty()
        self._total = total
        self._before = self._done = done
        self._clock = clock
        self._began = self._shown = clock()

    def advance(self, done: int) -> None:
        """So many bytes are done by now."""
        self._done = done
        now = self._clock()
        if now - self._shown >= (_REDRAW if self._is_bar else _LINE):
            self._shown = now
            self._show()

    def interrupt(self) -> None:
        """Give the terminal's line to something else: the bar comes back below it."""
        if self._is_bar:
            self._stream.write("\r\033[K")
            self._stream.flush()

    def _show(self) -> None:
        if self._is_bar:
            width = shutil.get_terminal_size().columns - 1
            self._stream.write(f"\r\033[K{self._bar()} {self}"[: width + 4])
        else:
            self._stream.write(f"{self}\n")
        self._stream.flush()

    def _bar(self) -> str:
        filled = int(_BAR * self._share())
        return f"[{'#' * filled}{'.' * (_BAR - filled)}]"

    def _share(self) -> float:
        return min(1.0, self._done / self._total) if self._total else 1.0

    def __str__(self) -> str:
        elapsed = self._clock() - self._began
        rate = (self._done - self._before) / elapsed if elapsed > 0 else 0.0
        to_go = max(0, self._total - self._done) / rate if rate else None
        return (
            f"{self._share():.0%}  {readable(self._done)} of {readable(self._total)}"
            f"  {readable(rate)}/s  {_clock_time(to_go)} to go  {self.findings} findings"
        )


def readable(size: float) -> str:
    """A number of bytes with a fitting unit."""
    for unit in _UNITS[:-1]:
        if size < 1024:
            return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} {_UNITS[-1]}"


def _clock_time(seconds: float | None) -> str:
    if seconds is None:
        return "?"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"
