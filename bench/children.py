"""Programs that nobody has in hand any more."""

from __future__ import annotations

import os
import signal
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from tests.e2e.kernel import children
from tests.e2e.processes import STOP_PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator

_STEP = 0.02


@contextmanager
def no_child_left() -> Iterator[None]:
    """End what was started inside and still runs at the end.

    A Ctrl-C that comes while a program is being started leaves one that `subprocess` has no object
    for: it was forked, and the exception came before anybody could keep its number.
    """
    before = set(children(os.getpid()))
    try:
        yield
    finally:
        for pid in set(children(os.getpid())) - before:
            _end(pid)


def _end(pid: int) -> None:
    """Ask it, then insist, and wait until it is gone."""
    with suppress(ProcessLookupError, ChildProcessError):  # somebody has waited for it by now
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_PATIENCE
        while os.waitpid(pid, os.WNOHANG) == (0, 0):
            if time.monotonic() > deadline:
                os.kill(pid, signal.SIGKILL)
            time.sleep(_STEP)
