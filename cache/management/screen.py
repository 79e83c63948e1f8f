"""A terminal's whole window for something that changes: drawn over, and left as it was found."""

from __future__ import annotations

import os
import select
import signal
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NoReturn, TextIO

# ECMA-48, and the alternate screen of xterm, which every terminal emulator has.
_ENTER = "\033[?1049h\033[?25l"
_LEAVE = "\033[?25h\033[?1049l"
_TOP = "\033[H"
_END_OF_LINE = "\033[K"
_BELOW = "\033[J"

#: Where the size cannot be asked for.
_USUAL = os.terminal_size((80, 24))


def can_be_drawn_on(stream: TextIO) -> bool:
    """Whether it is a terminal that knows the controls."""
    return stream.isatty() and os.environ.get("TERM", "dumb") != "dumb"


class Screen:
    """The window while it is ours. It has its size of the moment, at each drawing."""

    def __init__(self, stream: TextIO, signals: socket.socket) -> None:
        self._stream = stream
        self._signals = signals

    @property
    def size(self) -> os.terminal_size:
        try:
            found = os.get_terminal_size(self._stream.fileno())
        except OSError:
            return _USUAL
        return found if found.columns and found.lines else _USUAL

    def draw(self, lines: Sequence[str]) -> None:
        """Show these lines, as far as they fit, in place of all that was shown."""
        columns, rows = self.size
        shown = [f"{line[:columns]}{_END_OF_LINE}" for line in lines[:rows]]
        self._stream.write(_TOP + "\n".join(shown) + _BELOW)
        self._stream.flush()

    def wait(self, seconds: float) -> None:
        """Until the time is over, or the window has another size."""
        if select.select([self._signals], [], [], seconds)[0]:
            self._signals.recv(4096)


@contextmanager
def screen(stream: TextIO) -> Iterator[Screen]:
    """Have the terminal's window while the block runs. SIGTERM leaves it in order, too."""
    before = signal.signal(signal.SIGTERM, _end)
    try:
        with _signals() as signals:
            stream.write(_ENTER)
            yield Screen(stream, signals)
    finally:
        stream.write(_LEAVE)
        stream.flush()
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _signals() -> Iterator[socket.socket]:
    """Something to be read at each signal, also for another size of the window.

    To wait for that signal would be in vain where there are other threads, such as those of a pool
    of connections: the kernel gives it to any of them.
    """
    ours, pythons = socket.socketpair()
    with ours, pythons:
        pythons.setblocking(False)
        before = signal.signal(signal.SIGWINCH, lambda _number, _frame: None)
        former = signal.set_wakeup_fd(pythons.fileno(), warn_on_full_buffer=False)
        try:
            yield ours
        finally:
            signal.set_wakeup_fd(former)
            signal.signal(signal.SIGWINCH, before)


def _end(number: int, _frame: object) -> NoReturn:
    raise SystemExit(128 + number)
