"""How far a long command is: a bar on a terminal, now and then a line anywhere else."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from typing import TextIO

from cache.retention import readable

REDRAW = 0.1
LINE = 30.0
_BAR = 20


class Meter:
    """Bytes done of ``total``, the rate and the time to go, as a line says them.

    ``done`` bytes were done before, and count in no rate. ``clock`` is in seconds. ``amount`` says
    how much it is, if bytes are not what is counted.
    """

    def __init__(
        self,
        total: int,
        done: int = 0,
        clock: Callable[[], float] = time.monotonic,
        amount: Callable[[float], str] = readable,
    ) -> None:
        self._amount = amount
        self.total = total
        self.before = self.done = done
        self._clock = clock
        self._began = clock()

    def bar(self) -> str:
        return bar(self._share())

    def _share(self) -> float:
        return share(self.done, self.total)

    def __str__(self) -> str:
        elapsed = self._clock() - self._began
        rate = (self.done - self.before) / elapsed if elapsed > 0 else 0.0
        to_go = max(0, self.total - self.done) / rate if rate > 0 else None
        return (
            f"{self._share():.0%}  {self._amount(self.done)} of {self._amount(self.total)}"
            f"  {self._amount(max(0.0, rate))}/s  {clock_time(to_go)} to go"
        )


class Progress:
    """Shows a :class:`Meter` and a count of findings.

    Written to ``stream``: a bar if it is a terminal, otherwise a line each half
    minute. ``counted`` is what the findings are called; there are none if it is empty. For
    ``amount`` see :class:`Meter`.
    """

    def __init__(
        self,
        stream: TextIO,
        total: int,
        done: int = 0,
        clock: Callable[[], float] = time.monotonic,
        counted: str = "findings",
        amount: Callable[[float], str] = readable,
    ) -> None:
        self.findings = 0
        self._counted = counted
        self._stream = stream
        self._is_bar = stream.isatty()
        self._meter = Meter(total, done, clock, amount)
        self._clock = clock
        self._shown = clock()

    def advance(self, done: int) -> None:
        """So many bytes are done by now."""
        self._meter.done = done
        now = self._clock()
        if now - self._shown >= (REDRAW if self._is_bar else LINE):
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
            self._stream.write(f"\r\033[K{self._meter.bar()} {self}"[: width + 4])
        else:
            self._stream.write(f"{self}\n")
        self._stream.flush()

    def __str__(self) -> str:
        findings = f"  {self.findings} {self._counted}" if self._counted else ""
        return f"{self._meter}{findings}"


def bar(done: float) -> str:
    """A bar of which the part ``done`` (0 to 1) is full."""
    filled = int(_BAR * done)
    return f"[{'#' * filled}{'.' * (_BAR - filled)}]"


def share(done: float, total: float) -> float:
    """How much of the whole, from 0 to 1; all of it if there is nothing to do."""
    return min(1.0, done / total) if total else 1.0


def clock_time(seconds: float | None) -> str:
    if seconds is None:
        return "?"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"
