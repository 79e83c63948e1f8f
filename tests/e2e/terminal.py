"""A terminal for the programs that the tests start: what it shows to whoever sits before it."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import termios
import time
from typing import TYPE_CHECKING, Any

from tests.e2e.processes import PATIENCE

if TYPE_CHECKING:
    import subprocess


def open_terminal(columns: int) -> tuple[int, int]:
    """Our end of a terminal and the program's, both to be closed by the caller."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    return ours, theirs


def read_terminal(ours: int, process: subprocess.Popen[Any]) -> str:
    """All that the terminal was sent until the process has ended."""
    shown = b""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        over = process.poll() is not None
        while select.select([ours], [], [], 0.05)[0]:
            try:
                data = os.read(ours, 65536)
            except OSError:  # the other end is closed, which a terminal calls EIO
                data = b""
            if not data:
                return shown.decode()
            shown += data
        if over:
            break
    return shown.decode()
