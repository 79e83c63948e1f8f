"""In the background one process scrubs, once in each interval, whatever goes wrong in between."""

from __future__ import annotations

import subprocess
import sys
import threading
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from cache.oci.digest import Digest
from cache.scrub import Place, alone, keep_verifying
from cache.scrub.schedule import TRY_AGAIN, due_in
from tests.e2e.processes import eventually
from tests.scrub.bench import NOW, Bench, MemoryRecords

WEEK = 168 * 3600.0


class _Enough(BaseException):
    """The test has seen what it wanted to see."""


def _passes(bench: Bench, weeks: float) -> list[float]:
    """In which week each pass read its first byte, in a mirror that serves for so long."""
    began: list[float] = []
    start = bench.clock.now

    def passed() -> float:
        return bench.clock.now - start

    def sleep(seconds: float) -> None:
        bench.clock.sleep(seconds)
        if passed() > weeks * WEEK:
            raise _Enough

    job = bench.job(on_progress=lambda _read: began.append(round(passed() / WEEK, 1)))
    job.pace.sleep = sleep
    job = replace(job, now=lambda: NOW + timedelta(seconds=passed()))
    with pytest.raises(_Enough):
        keep_verifying(job, bench.place_file, bench.store.root / "scrub.lock", WEEK)
    return began


def test_one_pass_in_each_interval(bench: Bench) -> None:
    bench.hold(b"x")

    assert _passes(bench, weeks=3.5) == [0, 1, 2, 3]


def test_a_place_that_cannot_be_kept_is_no_reason_to_read_on_and_on(bench: Bench) -> None:
    bench.hold(b"x")
    bench.place_file.with_name("scrub.json.new").mkdir()

    assert _passes(bench, weeks=2.5) == [0, 1, 2]


class _Gone(MemoryRecords):
    """A database that does not answer until it has been asked so many times."""

    failures = 3

    def recorded_size(self, digest: Digest) -> int | None:
        self.failures -= 1
        if self.failures >= 0:
            raise ConnectionError("the database is gone")
        return super().recorded_size(digest)


def test_it_outlives_a_database_that_is_gone(bench: Bench) -> None:
    bench.hold(b"x")
    sizes = bench.records.sizes
    bench.records = _Gone()
    bench.records.sizes = sizes

    assert _passes(bench, weeks=1.5) == [0, 0, 0, 0, 1]
    assert bench.clock.naps.count(TRY_AGAIN) == 3


@pytest.mark.parametrize(
    ("place", "seconds"),
    [
        (None, 0.0),
        (Place(began=0.0, repair=True), 0.0),
        (Place(began=500.0, repair=True, is_finished=True), 500.0),
        (Place(began=0.0, repair=True, is_finished=True), 0.0),
        (Place(began=9e9, repair=True, is_finished=True), 1000.0),
    ],
)
def test_when_the_next_pass_is_due(place: Place | None, seconds: float) -> None:
    assert due_in(place, 1000.0, 1000.0) == seconds


HOLD = """
import sys
from pathlib import Path
from cache.scrub import alone
with alone(Path(sys.argv[1]), wait=False) as is_free:
    print(is_free, flush=True)
    sys.stdin.read()
"""


def test_the_lock_is_one_processs_and_falls_with_it(tmp_path: Path) -> None:
    lock = tmp_path / "scrub.lock"
    command = [sys.executable, "-c", HOLD, str(lock)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"True\n"
        with alone(lock, wait=False) as is_free:
            assert not is_free
        other.kill()
        # Waits until the kernel has ended the other one; the test's own time limit bounds it.
        with alone(lock, wait=True) as is_free:
            assert is_free


def test_who_waits_for_a_file_that_was_swept_away_waits_for_the_next(tmp_path: Path) -> None:
    lock = tmp_path / "scrub.lock"
    entered = threading.Event()

    def wait() -> None:
        with alone(lock, wait=True):
            entered.set()

    waiting = threading.Thread(target=wait)
    with ExitStack() as older, ExitStack() as newer:
        older.enter_context(alone(lock, wait=False))
        waiting.start()
        eventually(lambda: _is_waited_for(lock), "the other one waits")
        lock.unlink()
        newer.enter_context(alone(lock, wait=False))
        older.close()
        eventually(lambda: entered.is_set() or _is_waited_for(lock), "the other one goes on")
        assert not entered.is_set()
    waiting.join(30)
    assert entered.is_set()


def _is_waited_for(lock: Path) -> bool:
    """Whether somebody waits for the lock on this very file (proc(5))."""
    rows = (line.split() for line in Path("/proc/locks").read_text().splitlines())
    inode = str(lock.stat().st_ino)
    return any(row[1] == "->" and row[6].endswith(f":{inode}") for row in rows)


def test_a_lock_file_that_was_swept_away_is_no_lock(tmp_path: Path) -> None:
    lock = tmp_path / "scrub.lock"
    with alone(lock, wait=False):
        lock.unlink()
        with alone(lock, wait=False) as is_free:
            assert is_free
        with alone(lock, wait=True) as is_free:
            assert is_free
