"""The standard streams of a command: whoever started it may have closed them, or stop reading."""

from __future__ import annotations

import io
import os
import sys
from typing import Any


class OutputEnded(Exception):
    """Nobody reads on, or the output's disk is full. No OSError: that would be the store's.

    The message is empty if there is nobody left who would want to know.
    """


class _Output(io.FileIO):
    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            self._give_up()
            raise OutputEnded from None
        except OSError as error:
            self._give_up()
            raise OutputEnded(f"the output cannot be written: {error.strerror}") from None

    def _give_up(self) -> None:
        """What is left in buffers goes nowhere, and causes no second error at the end."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)


def prepare() -> None:
    """Have all three standard streams be there, and a failing output raise OutputEnded.

    A closed one would be the next file that is opened: a line of text could land in the database.
    """
    for number, mode in ((0, os.O_RDONLY), (1, os.O_WRONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            # The lowest number that is free: this one.
            os.open(os.devnull, mode)
    sys.stdin = sys.stdin or io.TextIOWrapper(io.FileIO(0, closefd=False))
    sys.stdout = _text(1, sys.stdout)
    sys.stderr = _text(2, sys.stderr)


def release() -> None:
    """Have the streams be Python's own again: for a server, which outlives who reads its output.

    One that was closed from the start goes on leading nowhere.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    sys.stdout = sys.__stdout__ or sys.stdout
    sys.stderr = sys.__stderr__ or sys.stderr


def _text(number: int, before: Any) -> io.TextIOWrapper:
    """A stream like the one that Python made."""
    return io.TextIOWrapper(
        io.BufferedWriter(_Output(number, "w", closefd=False)),
        encoding=before.encoding if before else None,
        # A name from outside may have signs that the terminal's encoding has not.
        errors="backslashreplace",
        line_buffering=number == 2 or os.isatty(number),
    )
