"""Under which conditions the numbers came about."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from bench import nginx
from bench.systems import docker_registry_version
from cache.config.capacity import DEFAULT_THREADS
from cache.version import VERSION
from tests.e2e.mirror import WORKERS

if TYPE_CHECKING:
    from bench.plan import Plan

_MODEL = re.compile(r"^model name\s*:\s*(.+)$", re.MULTILINE)
_MEMORY = re.compile(r"^MemTotal:\s+(\d+) kB$", re.MULTILINE)


def notes(plan: Plan, load_before: float, minutes: float) -> tuple[str, ...]:
    """Sentences about the machine, the servers' set-up and the measuring."""
    model = _MODEL.search(Path("/proc/cpuinfo").read_text())
    processor = model[1] if model else platform.machine()
    memory = _MEMORY.search(Path("/proc/meminfo").read_text())
    gib = int(memory[1]) / 1024**2 if memory else 0
    cores = len(os.sched_getaffinity(0))
    kernel = f"{platform.system()} {platform.release()}"
    python = f"Python {platform.python_version()} of {sys.base_prefix}, HTTP parser: {parser()}"
    return (
        f"{time.strftime('%Y-%m-%d', time.gmtime())}, {minutes:.0f} minutes.",
        (
            f"Machine, shared by clients, mirrors and upstream: {cores} cores ({processor}), "
            f"{gib:.0f} GiB, {kernel}."
        ),
        f"Load average: {load_before:.1f} before, {os.getloadavg()[0]:.1f} at the end.",
        f"Mirrorsite {VERSION}: {python}, {WORKERS} workers of {DEFAULT_THREADS} threads, SQLite.",
        (
            f"docker-registry {docker_registry_version()}: GOMAXPROCS={WORKERS}, in-memory blob "
            "descriptors."
        ),
        f"nginx {nginx.version()}: 2 workers, sendfile, the same files; another one is upstream.",
        (
            f"Cells: median (least-greatest) of up to {plan.rounds} rounds, in turns; a ratio is "
            "the median of the rounds' ratios."
        ),
        (
            f"Rates: {plan.connections} connections kept alive for {plan.seconds} s, by {_wrk()}; "
            "all else by bench/pull.c."
        ),
    )


def parser() -> str:
    """What gunicorn reads requests with: "fast" (the C extension) or "python"."""
    return "python" if find_spec("gunicorn_h1c") is None else "fast"


def _wrk() -> str:
    # It tells its version in the usage, which is an error.
    said = subprocess.run(("wrk", "--version"), check=False, capture_output=True, text=True).stdout
    return " ".join(said.split()[:2])
