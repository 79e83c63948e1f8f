"""Another size of the window is noticed, whichever thread of the program is told of it."""

from __future__ import annotations

import io
import os
import signal
import threading
import time
from contextlib import closing

from cache.management.screen import screen

PATIENCE = 30.0


def test_with_threads_that_were_there_before() -> None:
    over = threading.Event()
    # As a pool of connections has them; they block no signal.
    threads = [threading.Thread(target=over.wait) for _ in range(3)]
    for thread in threads:
        thread.start()
    with closing(io.StringIO()) as stream, screen(stream) as window:
        began = time.monotonic()
        os.kill(os.getpid(), signal.SIGWINCH)
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
