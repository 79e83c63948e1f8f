"""Blobs that are not held: fetched once, and streamed while they arrive."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from bench.load import Failed, Request
from bench.plan import MIB
from bench.table import REGISTRY, Goal, Row, in_rounds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.content import Blob
    from bench.load import Pulled
    from bench.stage import Stage
    from bench.systems import System


def one_client(stage: Stage) -> Iterator[Row]:
    """How long until it has all, and until it has something. A new blob for each round."""
    pulled = []
    for number in range(stage.plan.rounds):
        blob = stage.content.add_blob(stage.plan.big, f"cold {number}")
        pulled.append([_pull(stage, system, blob, 1) for system in (stage.ours, stage.theirs)])
        _forget(stage, blob)
    what = f"cold blob of {stage.plan.big // MIB} MiB, one client"
    ours, theirs = in_rounds([[1000 * each.seconds for each in pair] for pair in pulled])
    goal = (Goal(1, REGISTRY),)
    yield Row("cold", f"{what}: all of it", "ms", ours, {REGISTRY: theirs}, goal, True)
    ours, theirs = in_rounds([[1000 * each.first_byte for each in pair] for pair in pulled])
    goal = (Goal(0.5, REGISTRY),)
    yield Row("cold-first", f"{what}: first byte", "ms", ours, {REGISTRY: theirs}, goal, True)


def one_crowd(stage: Stage) -> Iterator[Row]:
    """Many who want the same at once: what it costs upstream, and when all have it."""
    seconds, transfers = [], []
    for number in range(stage.plan.few):
        blob = stage.content.add_blob(stage.plan.crowd, f"crowd {number}")
        taken, cost = [], []
        for system in (stage.ours, stage.theirs):
            stage.nginx.asked.forget()
            taken.append(_pull(stage, system, blob, stage.plan.clients).seconds)
            sizes = [size for _, path, size in stage.nginx.asked.requests() if path == blob.path]
            cost.append(sum(sizes) / blob.size)
        seconds.append(taken)
        transfers.append(cost)
        _forget(stage, blob)
    what = f"{stage.plan.clients} clients, one cold blob of {stage.plan.crowd // MIB} MiB"
    ours, theirs = in_rounds(transfers)
    if set(ours) != {1.0}:
        raise Failed(f"{what}: upstream sent it {ours} times")
    yield Row(
        "crowd-upstream",
        f"{what}: upstream bytes",
        "x the blob",
        ours,
        {REGISTRY: theirs},
        (Goal(1.0),),
        True,
    )
    ours, theirs = in_rounds(seconds)
    goal = (Goal(0.4, REGISTRY),)
    yield Row("crowd", f"{what}: time for all", "s", ours, {REGISTRY: theirs}, goal, True)


def _pull(stage: Stage, system: System, blob: Blob, clients: int) -> Pulled:
    # What an earlier measurement wrote must not slow this one down.
    os.sync()
    wanted = [Request(blob.path, stage.content.file(blob.path))]
    pulled = stage.crowd.pull(system.address, wanted, clients=clients)
    system.wait_until_kept(blob.digest)
    return pulled


def _forget(stage: Stage, blob: Blob) -> None:
    for system in (stage.ours, stage.theirs):
        system.blob_path(blob.digest).unlink()
    stage.content.forget(blob)
