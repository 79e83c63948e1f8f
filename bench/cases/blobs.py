"""Large blobs that are held: as fast as they leave the machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.plan import MIB
from bench.systems import docker_registry, mirrorsite
from bench.table import NGINX, REGISTRY, Goal, Row

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bench.stage import Stage
    from bench.systems import System

UNIT = "MiB/s"
CLIENTS = (1, 8)


def warm(stage: Stage) -> Iterator[Row]:
    """By sendfile."""
    goals = (Goal(1.1, REGISTRY), Goal(0.9, NGINX))
    parties = (stage.ours, stage.theirs, stage.served_by_nginx())
    yield from _rows(stage, "big", parties, "", goals, stage.plan.rounds)


def warm_over_tls(stage: Stage) -> Iterator[Row]:
    """Read, encrypted and written by the mirror."""
    with (
        mirrorsite(stage.home / "ours-tls", stage.nginx.upstream, stage.certificate) as ours,
        docker_registry(stage.home / "theirs-tls", stage.nginx.upstream, stage.certificate) as it,
    ):
        parties = (ours, it, stage.served_by_nginx(tls=True))
        goals = (Goal(1, REGISTRY), Goal(0.7, NGINX))
        yield from _rows(stage, "big-tls", parties, ", TLS", goals, stage.plan.few)


def _rows(
    stage: Stage,
    key: str,
    parties: Sequence[System],
    how: str,
    goals: tuple[Goal, ...],
    rounds: int,
) -> Iterator[Row]:
    blob = stage.content.add_blob(stage.plan.big, "big")
    for clients in CLIENTS:
        # One client is done so soon that more rounds cost nothing.
        often = rounds if clients > 1 else 2 * rounds
        ours, theirs, limit = stage.speeds(parties, blob.path, blob.size, clients, often)
        who = "one client" if clients == 1 else f"{clients} clients"
        what = f"blob of {blob.size // MIB} MiB, warm, {who}{how}"
        others = {REGISTRY: theirs, NGINX: limit}
        yield Row(f"{key}-{clients}", what, UNIT, ours, others, goals)
    for party in parties[:2]:
        party.blob_path(blob.digest).unlink()
    stage.content.forget(blob)
