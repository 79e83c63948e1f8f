"""Under which conditions the numbers came about."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from cache.config.capacity import DEFAULT_THREADS
from tests.e2e.mirror import WORKERS

if TYPE_CHECKING:
    from bench.plan import Plan

_MODEL = re.compile(r"^model name\s*:\s*(.+)$", re.MULTILINE)


def notes(plan: Plan, wrk: str | None, load_before: float) -> tuple[str, ...]:
    """Sentences about the machine, the servers' set-up and the measuring."""
    model = _MODEL.search(Path("/proc/cpuinfo").read_text())
    processor = model[1] if model else platform.machine()
    cores = len(os.sched_getaffinity(0))
    kernel = f"{platform.system()} {platform.release()}"
    python = f"Python {platform.python_version()}, HTTP parser: {parser()}"
    return (
        f"Cells: median (least-greatest) of {plan.rounds} rounds for rates and speeds, in turns.",
        f"Machine, shared by clients, mirrors and upstream: {cores} cores ({processor}), {kernel}.",
        f"Load average: {load_before:.1f} before, {os.getloadavg()[0]:.1f} at the end.",
        f"Mirrorsite: {python}, {WORKERS} workers of {DEFAULT_THREADS} threads.",
        f"docker-registry: GOMAXPROCS={WORKERS}, in-memory blob descriptors, no request log.",
        f"Rates: {plan.connections} connections kept alive for {plan.seconds} s, by {asker(wrk)}.",
    )


def parser() -> str:
    """What gunicorn reads requests with: "fast" (the C extension) or "python"."""
    return "python" if find_spec("gunicorn_h1c") is None else "fast"


def asker(wrk: str | None) -> str:
    """The program that makes the load."""
    if wrk is None:
        return "a client in Python, slower than wrk, which is not installed: rates are too low"
    # It tells its version in the usage, which is an error.
    said = subprocess.run((wrk, "--version"), check=False, capture_output=True, text=True).stdout
    return " ".join(said.split()[:2])
