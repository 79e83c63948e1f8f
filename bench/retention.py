"""`make bench-retention`: evictions of a very large store, and the pulls beside them.

Rows and sparse files of 200,000 manifests and 1,000,000 blobs; a dry run, evictions of 100,000
blobs by the command and by the mirror's own janitor, and what clients notice of them.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import sqlite3
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from bench import synthetic
from bench.load import PROJECT, Asking, rate
from bench.synthetic import UPSTREAM, Shape, blob_digest, total_size
from tests.e2e.kernel import PROC
from tests.e2e.mirror import Mirror
from tests.e2e.processes import environment, scratch
from tests.faults.postgres import Postgres

CONNECTIONS = 32
WINDOW = 2
"""Seconds of one measurement of the rate."""

BASELINES = 4
_LOOK = 0.05
_PEAK = re.compile(r"^VmHWM:\s+(\d+) kB$", re.MULTILINE)


@dataclass
class Bench:
    """The store, its database, and what was measured, as rows of a table."""

    shape: Shape
    home: Path
    database_url: str | None
    evicted: int
    rows: list[tuple[str, str]] = field(default_factory=list)
    gone: int = 0

    @property
    def root(self) -> Path:
        return self.home / "root"

    def settings(self, **more: str) -> dict[str, str]:
        database = {"DATABASE_URL": self.database_url} if self.database_url else {}
        return {
            "REGISTRY_STORAGE_SCRUB_INTERVAL": "0",
            "REGISTRY_RETENTION_MIN_FREE": "0",
            **database,
            **more,
        }

    def note(self, what: str, found: str) -> None:
        self.rows.append((what, found))
        print(f"{what}: {found}", file=sys.stderr, flush=True)

    def next_limit(self) -> int:
        """The size at which the next `evicted` blobs must go."""
        self.gone += self.evicted
        return total_size(self.shape) - self.gone * synthetic.SIZE

    def held(self) -> tuple[int, int]:
        """Blobs and bytes in the records."""
        query = "SELECT count(*), coalesce(sum(size), 0) FROM cache_blob"
        if self.database_url:
            with psycopg.connect(self.database_url) as connection:
                row = connection.execute(query.encode()).fetchone()
        else:
            path = self.root / "mirror.sqlite3"
            with closing(sqlite3.connect(path, timeout=60)) as connection:
                row = connection.execute(query).fetchone()
        assert row is not None
        return int(row[0]), int(row[1])


def main() -> int:
    options = _options()
    shape = Shape(options.manifests, min(2_000, options.manifests))
    with ExitStack() as stack:
        home = stack.enter_context(scratch("retention-bench"))
        url = None
        if options.postgresql:
            url = stack.enter_context(Postgres(stack.enter_context(scratch("pg")))).url
        bench = Bench(shape, home, url, shape.blobs // 10)
        _build(bench)
        _dry_runs(bench)
        _evict_alone(bench)
        _evict_beside_pulls(bench)
        _janitor_beside_pulls(bench)
    print(_table(bench, "PostgreSQL" if options.postgresql else "SQLite"))
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.retention", description=__doc__)
    parser.add_argument("--manifests", type=int, default=200_000, help="with five blobs each")
    parser.add_argument("--postgresql", action="store_true", help="and not SQLite")
    return parser.parse_args()


def _build(bench: Bench) -> None:
    bench.root.mkdir(mode=0o700)
    began = time.monotonic()
    run = _manage(bench, "migrate")
    assert run.code == 0, run.said
    if bench.database_url:
        synthetic.write_postgresql(bench.shape, bench.database_url)
    else:
        synthetic.write_sqlite(bench.shape, bench.root / "mirror.sqlite3")
    synthetic.write_files(bench.shape, bench.root)
    blobs, size = bench.held()
    assert (blobs, size) == (bench.shape.blobs, total_size(bench.shape))
    print(f"built in {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)


def _dry_runs(bench: Bench) -> None:
    """Of a tenth of the blobs, of nothing, and of everything."""
    limit = total_size(bench.shape) - bench.evicted * synthetic.SIZE
    for what, size in (("a tenth of the blobs", limit), ("everything", 1)):
        run = _manage(bench, "purge_expired", "--dry-run", "--max-size", f"{size}B")
        bench.note(f"dry run, {what} would go", f"{run.seconds:.1f} s, {run.peak_mib:.0f} MiB")
    run = _manage(bench, "purge_expired", "--dry-run")
    bench.note("dry run, nothing would go", f"{run.seconds:.1f} s, {run.peak_mib:.0f} MiB")


def _evict_alone(bench: Bench) -> None:
    before, _ = bench.held()
    run = _manage(bench, "purge_expired", "--max-size", f"{bench.next_limit()}B")
    went = before - bench.held()[0]
    bench.note(
        f"purge_expired, nobody pulls: {went:,} blobs",
        f"{run.seconds:.1f} s, {run.peak_mib:.0f} MiB",
    )


def _evict_beside_pulls(bench: Bench) -> None:
    with _mirror(bench) as mirror:
        before, _ = bench.held()
        usual = _usual_rate(bench, mirror)
        found: list[_Run] = []
        limit = bench.next_limit()
        command = threading.Thread(
            target=lambda: found.append(_manage(bench, "purge_expired", "--max-size", f"{limit}B"))
        )
        command.start()
        rates = _rates_while(bench, mirror, command.is_alive)
        command.join()
        usual += _usual_rate(bench, mirror)
        went = before - bench.held()[0]
        bench.note(
            f"purge_expired beside pulls: {went:,} blobs",
            f"{found[0].seconds:.1f} s, {found[0].peak_mib:.0f} MiB",
        )
        _note_rates(bench, "purge_expired", usual, rates)


def _janitor_beside_pulls(bench: Bench) -> None:
    with _mirror(bench) as mirror:
        usual = _usual_rate(bench, mirror)
    before, _ = bench.held()
    limit = bench.next_limit()
    with _mirror(bench, REGISTRY_RETENTION_MAX_SIZE=f"{limit}B") as mirror:
        began = time.monotonic()
        rates = _rates_while(bench, mirror, lambda: bench.held()[1] > limit)
        seconds = time.monotonic() - began
        went = before - bench.held()[0]
        usual += _usual_rate(bench, mirror)
        peak = max(_peak_mib(pid) for pid in mirror.workers())
        bench.note(
            f"the janitor beside pulls: {went:,} blobs",
            f"{seconds:.0f} s, its process has {peak:.0f} MiB at most",
        )
        _note_rates(bench, "the janitor", usual, rates)


def _note_rates(bench: Bench, who: str, usual: list[float], rates: list[float]) -> None:
    kept = statistics.mean(rates) / statistics.mean(usual)
    bench.note(
        f"pulls of a blob while {who} works",
        f"{statistics.mean(rates):,.0f}/s, without it {statistics.mean(usual):,.0f}/s: "
        f"{kept:.0%} (worst {WINDOW} s: {min(rates) / statistics.mean(usual):.0%})",
    )


@contextmanager
def _mirror(bench: Bench, **more: str) -> Iterator[Mirror]:
    with Mirror(bench.root, f"http://{UPSTREAM}", **bench.settings(**more)) as mirror:
        yield mirror


def _usual_rate(bench: Bench, mirror: Mirror) -> list[float]:
    return [_rate(bench, mirror) for _ in range(BASELINES)]


def _rates_while(bench: Bench, mirror: Mirror, works: Callable[[], bool]) -> list[float]:
    rates: list[float] = []
    while works() or not rates:
        rates.append(_rate(bench, mirror))
    # The last window may have gone on after the work.
    return rates[:-1] or rates


def _rate(bench: Bench, mirror: Mirror) -> float:
    shape = bench.shape
    number = shape.blobs - 1
    name = shape.name(shape.repository_of(number // 5))
    path = f"/v2/{name}/blobs/{blob_digest(number)}"
    return rate(mirror.url, [path], synthetic.REAL_SIZE, Asking(CONNECTIONS, WINDOW))


@dataclass(frozen=True, slots=True)
class _Run:
    code: int
    seconds: float
    peak_mib: float
    said: str


def _manage(bench: Bench, *words: str) -> _Run:
    """A command, with the time and the memory that it took."""
    said = bench.home / f"said-{time.time_ns()}"
    began = time.monotonic()
    with said.open("wb") as output:
        process = subprocess.Popen(
            (sys.executable, "manage.py", *words),
            cwd=PROJECT,
            env=environment(
                MIRROR_CONFIG="/dev/null",
                REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY=str(bench.root),
                **bench.settings(),
            ),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        # Not getrusage(2): it counts what this process had when it forked.
        peak = 0.0
        while process.poll() is None:
            peak = max(peak, _peak_mib(process.pid))
            time.sleep(_LOOK)
    tail = said.read_bytes()[-1000:].decode(errors="replace")
    assert process.returncode == 0, tail
    return _Run(process.returncode, time.monotonic() - began, peak, tail)


def _peak_mib(pid: int) -> float:
    found = _PEAK.search((PROC / str(pid) / "status").read_text())
    return int(found[1]) / 1024 if found else 0.0


def _table(bench: Bench, database: str) -> str:
    cores = len(os.sched_getaffinity(0))
    shape = bench.shape
    head = (
        f"{shape.manifests:,} manifests, {shape.blobs:,} blobs, {shape.repositories:,} "
        f"repositories; {database}; {cores} cores shared by mirror, clients and database, "
        f"{platform.system()} {platform.release()}, Python {platform.python_version()}"
    )
    lines = [head, "", "| | |", "| --- | --- |"]
    return "\n".join([*lines, *(f"| {what} | {found} |" for what, found in bench.rows)])


if __name__ == "__main__":
    sys.exit(main())
