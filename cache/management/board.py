"""How far several images are: a bar for each on a terminal, lines anywhere else."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable
from typing import TextIO

from cache.management.progress import LINE, REDRAW, Meter, bar, share
from cache.retention import readable
from cache.warm import Overview, Standing, State

_AT_WORK = (State.ASKING, State.FETCHING)
_MOST_BARS = 16
_NAME = 50


class Board:
    """Bars at the bottom of a terminal, below whatever else is written, or a line now and then.

    It can stand in for ``stream``: what is written to it comes above the bars. Any thread may
    write. ``clock`` is in seconds.
    """

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._is_terminal = stream.isatty()
        self._clock = clock
        self._lock = threading.Lock()
        self._drawn = 0
        self._shown = clock()
        self._meter = Meter(0, clock=clock)

    @property
    def step(self) -> float:
        """Seconds after which something new can be shown."""
        return REDRAW

    def show(self, overview: Overview) -> None:
        """The state of things, as often as it is worth while."""
        now = self._clock()
        if now - self._shown < (REDRAW if self._is_terminal else LINE):
            return
        self._shown = now
        lines = [self._total(overview)]
        if self._is_terminal:
            lines = [*self._bars(overview), f"{self._meter.bar()} {lines[0]}"]
        with self._lock:
            self._erase()
            self._stream.write("\n".join(map(self._cut, lines)))
            self._drawn = len(lines) if self._is_terminal else 0
            self._stream.write("" if self._is_terminal else "\n")
            self._stream.flush()

    def interrupt(self) -> None:
        """Give the place to something else: the bars come back below it."""
        with self._lock:
            self._erase()
            self._stream.flush()

    def write(self, text: str) -> int:
        """Something else, above the bars."""
        with self._lock:
            self._erase()
            return self._stream.write(text)

    def flush(self) -> None:
        self._stream.flush()

    def _erase(self) -> None:
        if self._drawn:
            up = f"\033[{self._drawn - 1}A" if self._drawn > 1 else ""
            self._stream.write(f"\r{up}\033[J")
            self._drawn = 0

    def _cut(self, line: str) -> str:
        """No line may fill the terminal's, or the next erasing would miss some."""
        return line[: shutil.get_terminal_size().columns - 1] if self._is_terminal else line

    def _bars(self, overview: Overview) -> list[str]:
        most = max(1, min(_MOST_BARS, shutil.get_terminal_size().lines - 3))
        at_work = [image for image in overview.images if image.state in _AT_WORK]
        lines = [_line(image) for image in at_work[:most]]
        return [*lines, f"and {len(at_work) - most} more"] if len(at_work) > most else lines

    def _total(self, overview: Overview) -> str:
        self._meter.total, self._meter.done = overview.total, overview.arrived
        self._meter.before = overview.arrived - overview.brought
        done = sum(image.state.is_end for image in overview.images)
        return f"{self._meter}  {done} of {len(overview.images)} images"


def _line(image: Standing) -> str:
    name = image.name if len(image.name) <= _NAME else f"…{image.name[1 - _NAME :]}"
    if image.state is State.ASKING:
        return f"{bar(0)}       {name}  looking up its manifests"
    part = share(image.arrived, image.total)
    sizes = f"{readable(image.arrived)} of {readable(image.total)}"
    return f"{bar(part)} {part:>4.0%}  {name}  {sizes}"
