"""What pulls of what is held cost upstream: counted, not timed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from bench.load import Failed, Request
from bench.systems import mirrorsite
from bench.table import REGISTRY, Goal, Row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.stage import Stage
    from bench.systems import System

_QUIET_SECONDS = 0.25
"""So long nothing is asked upstream before it is taken to be over."""


def upstream_requests(stage: Stage) -> Iterator[Row]:
    """Requests to upstream for each pull."""
    image = stage.image
    settings = {"REGISTRY_PROXY_FRESHNESS": "1h"}
    with mirrorsite(stage.home / "trusting", stage.nginx.upstream, None, settings) as trusting:
        for key, what, ours, path, most in (
            ("asks-digest", "manifest by digest", stage.ours, image.by_digest, 0),
            ("asks-tag", "tag checked at every pull", stage.ours, image.by_tag, 1),
            ("asks-fresh", "tag inside the freshness window", trusting, image.by_tag, 0),
            ("asks-blob", "blob", stage.ours, image.layers[0].path, 0),
        ):
            asked, theirs = (_per_pull(stage, system, path) for system in (ours, stage.theirs))
            if asked > most:
                raise Failed(f"a pull of a warm {what} asked upstream {asked} times")
            yield Row(
                key,
                f"a warm {what}",
                "upstream requests",
                (asked,),
                {REGISTRY: (theirs,)},
                (Goal(most),),
                True,
            )


def _per_pull(stage: Stage, system: System, path: str) -> float:
    stage.check(system, path)
    _settle(stage)
    stage.nginx.asked.forget()
    pulls = stage.plan.counted_pulls
    stage.crowd.pull(system.address, [Request(path)] * pulls)
    _settle(stage)
    return len(stage.nginx.asked.requests()) / pulls


def _settle(stage: Stage) -> None:
    before = -1
    while (seen := len(stage.nginx.asked.requests())) != before:
        before = seen
        time.sleep(_QUIET_SECONDS)
