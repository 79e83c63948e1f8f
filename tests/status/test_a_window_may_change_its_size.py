"""Another size of the window is noticed, whichever thread of the program is told of it."""

from __future__ import annotations

import io
import os
import signal
import threading
import time
from contextlib import closing
from pathlib import Path

from cache.management.screen import screen
from tests.e2e.processes import eventually

PATIENCE = 20.0
STATUS = Path("/proc/self/status")


def is_pending(number: int) -> bool:
    """Whether a signal to the whole process has been taken by none of its threads (proc(5))."""
    (line,) = [one for one in STATUS.read_text().splitlines() if one.startswith("ShdPnd:")]
    return bool(int(line.split()[1], 16) >> (number - 1) & 1)


def test_with_threads_that_were_there_before() -> None:
    over = threading.Event()
    # As a pool of connections has them; they block no signal.
    threads = [threading.Thread(target=over.wait, daemon=True) for _ in range(3)]
    for thread in threads:
        thread.start()
    with closing(io.StringIO()) as stream, screen(stream) as window:
        began = time.monotonic()
        os.kill(os.getpid(), signal.SIGWINCH)
        eventually(lambda: not is_pending(signal.SIGWINCH), "a thread has taken it")
        window.wait(PATIENCE)
        assert time.monotonic() - began < PATIENCE / 2
    over.set()
    for thread in threads:
        thread.join()


def test_nothing_stays_set() -> None:
    before = signal.getsignal(signal.SIGWINCH), signal.getsignal(signal.SIGTERM)
    with closing(io.StringIO()) as stream, screen(stream):
        pass
    assert (signal.getsignal(signal.SIGWINCH), signal.getsignal(signal.SIGTERM)) == before
    assert signal.set_wakeup_fd(-1) == -1
