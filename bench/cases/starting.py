"""How long a mirror takes from its start to its first answer."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

from bench.stage import in_turns
from bench.table import REGISTRY, Goal, Row
from tests.e2e.raw import pinged

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.stage import Stage
    from bench.systems import System

_LOOK = 0.01


def first_answer(stage: Stage) -> Iterator[Row]:
    """Restarts over the store as it is by now."""

    def start(system: System) -> float:
        system.daemon.stop()
        begun = time.perf_counter()
        system.daemon.launch()
        while not _answers(system):
            time.sleep(_LOOK)
        taken = time.perf_counter() - begun
        system.daemon.wait_until_ready()
        return taken

    pair = (stage.ours, stage.theirs)
    ours, theirs = in_turns(stage.plan.restarts, [partial(start, each) for each in pair])
    what = "start to first answer"
    yield Row("start", what, "s", ours, {REGISTRY: theirs}, (Goal(2.0),), True)


def _answers(system: System) -> bool:
    with pinged(system.address) as port:
        return port is not None
