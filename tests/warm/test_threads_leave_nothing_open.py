"""Each of a warm-up's threads closes what only it has open, also when the work breaks."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from cache import runtime
from cache.config import load
from cache.warm import Selection, Warming, Wish, find_image


def test_each_thread_ends_with_what_it_was_given() -> None:
    ended: list[str] = []
    work = Warming((), 3, at_thread_end=lambda: ended.append(threading.current_thread().name))

    work.start()
    assert work.wait(0)
    work.close()

    assert sorted(ended) == ["warm-0", "warm-1", "warm-2"]


def test_what_breaks_a_thread_is_told_to_who_waits(tmp_path: Path) -> None:
    environ = {
        "MIRROR_CONFIG": "/dev/null",
        "REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY": str(tmp_path),
    }
    config = load(None, environ)
    ended: list[str] = []
    with runtime.using(runtime.build(config)) as built:
        work = Warming(
            [Wish(find_image(config, "busybox"), Selection(None))],
            2,
            at_thread_end=lambda: ended.append("ended"),
        )
        work.start()
        # A defect that is at hand: this test may not use the database.
        with pytest.raises(RuntimeError, match="Database access not allowed"):
            work.wait(30)
        work.close()
        built.close()

    assert ended == ["ended", "ended"]
