"""The program is loaded once, by the parent, which begins nothing of it; workers are its copies."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from tests.e2e.kernel import PROC, children
from tests.serve.conftest import Mirror, Start, until


def memory(pid: int) -> dict[str, int]:
    """What the kernel says of the process's memory, in KiB (proc(5), smaps_rollup)."""
    lines = (PROC / str(pid) / "smaps_rollup").read_text().splitlines()[1:]
    return {name.rstrip(":"): int(size) for name, size, _unit in map(str.split, lines)}


def test_most_of_a_workers_memory_is_everybodys(mirror: Mirror) -> None:
    until(lambda: len(children(mirror.process.pid)) == 2, mirror)
    for pid in children(mirror.process.pid):
        held = memory(pid)
        assert held["Private_Dirty"] < held["Rss"] / 2


def test_the_parent_has_no_thread_and_no_database_that_a_worker_would_take_over(
    mirror: Mirror,
) -> None:
    parent = PROC / str(mirror.process.pid)

    assert len(list((parent / "task").iterdir())) == 1
    names = [str(fd.readlink()) for fd in (parent / "fd").iterdir()]
    assert [name for name in names if "mirror.sqlite3" in name] == []
    # PostgreSQL: of sockets there is the one at which it listens, and nothing else.
    assert len([name for name in names if name.startswith("socket:")]) == 1


def test_nobody_need_read_what_a_mirror_says(start: Start, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    mirror = start(stderr=pipe)
    mirror.wait_until_it_answers()
    os.close(reader)

    for _ in range(3):
        assert mirror.get("/v2/").startswith(b"HTTP/1.1 200 ")
    (first, *_others) = children(mirror.process.pid)
    os.kill(first, signal.SIGKILL)
    until(lambda: first not in children(mirror.process.pid), mirror)

    assert mirror.get("/v2/").startswith(b"HTTP/1.1 200 ")
