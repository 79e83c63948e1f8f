"""The whole measurement: the cases, one after the other, over one stage."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from bench import machine
from bench.cases import CASES, EXTRA
from bench.children import no_child_left
from bench.stage import set_up
from bench.table import Report
from tests.e2e.processes import scratch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench.plan import Plan
    from bench.table import Row


def run(plan: Plan, wanted: Sequence[str], say: Callable[[str], None]) -> Report:
    """Measure the cases of these names; `say` is told what is being done.

    Raises `bench.load.Failed` when one does not serve what it should. Whatever ends the run, its
    processes end and its folder goes away.
    """
    load_before, begun = os.getloadavg()[0], time.monotonic()
    rows: list[Row] = []
    with scratch("bench") as folder, no_child_left(), set_up(plan, folder, say) as stage:
        for name in wanted:
            say(f"{name} ({time.monotonic() - begun:.0f} s)")
            for row in {**CASES, **EXTRA}[name](stage):
                say(f"  {row.what}: {row.told()}")
                rows.append(row)
    minutes = (time.monotonic() - begun) / 60
    return Report(tuple(rows), machine.notes(plan, load_before, minutes))
