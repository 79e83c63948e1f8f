"""The program is loaded once, by the parent, which begins nothing of it; workers are its copies."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from cache.logbook.writer import MOST_FILES
from tests.e2e.kernel import PROC, children
from tests.serve.conftest import Mirror, Start, until

LARGEST_PID = 2**22
"""proc(5), pid_max: no process has a larger one."""


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


def test_a_worker_that_follows_removes_what_others_have_logged(
    mirror: Mirror, tmp_path: Path
) -> None:
    logs = tmp_path / "data" / "logs"
    until(lambda: len(children(mirror.process.pid)) == 2, mirror)
    for number in range(2 * MOST_FILES):
        # As workers that have died since the start would have left them.
        old = logs / f"{LARGEST_PID + number}.jsonl"
        old.touch()
        os.utime(old, (1, 1))

    (first, *_others) = children(mirror.process.pid)
    os.kill(first, signal.SIGKILL)

    until(lambda: len(list(logs.glob("*.jsonl"))) <= MOST_FILES + 3, mirror)
