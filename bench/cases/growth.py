"""How what a pull costs grows: with the clients, and with the size of a blob. Run by name only."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from bench.load import Asking, Request, rate
from bench.plan import MIB
from bench.stage import in_turns
from bench.table import NGINX, Row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.stage import Stage
    from bench.systems import System

CLIENTS = (1, 4, 16, 64, 256, 500)
SIZES = (1024, 64 * 1024, MIB, 64 * MIB, 1024 * MIB, 5 * 1024 * MIB)
MOST_AT_ONCE = 256 * MIB
"""Bytes that one measurement of a size moves at least, in as many answers as that takes."""

_MOST_ANSWERS = 2000


def growth(stage: Stage) -> Iterator[Row]:
    """Beside nginx, which does the least that can be done."""
    parties = (stage.ours, stage.served_by_nginx())
    path = stage.image.by_digest
    size = stage.content.file(path).stat().st_size
    stage.check(stage.ours, path)

    def answers(system: System, clients: int) -> float:
        return rate(system.url, [path], size, Asking(clients, stage.plan.seconds))

    for clients in CLIENTS:
        measures = [partial(answers, each, clients) for each in parties]
        ours, limit = in_turns(stage.plan.few, measures)
        what = f"manifest by digest, {clients} clients"
        yield Row(f"clients-{clients}", what, "req/s", ours, {NGINX: limit})
    for size in SIZES if stage.plan.is_whole else SIZES[:4]:
        blob = stage.content.add_blob(size, f"size {size}")
        times = max(1, min(_MOST_ANSWERS, MOST_AT_ONCE // size))
        stage.check(stage.ours, blob.path)

        wanted = [Request(blob.path)] * times

        def speed(
            system: System, wanted: list[Request] = wanted, moved: int = times * size
        ) -> float:
            return moved / MIB / stage.crowd.pull(system.address, wanted, drop=True).seconds

        ours, limit = in_turns(stage.plan.few, [partial(speed, each) for each in parties])
        what = f"blob of {_spelled(size)}, one client, one after the other"
        yield Row(f"size-{size}", what, "MiB/s", ours, {NGINX: limit})
        stage.ours.blob_path(blob.digest).unlink()
        stage.content.forget(blob)


def _spelled(size: int) -> str:
    for unit, name in ((1024 * MIB, "GiB"), (MIB, "MiB"), (1024, "KiB")):
        if size >= unit:
            return f"{size // unit} {name}"
    return f"{size} B"
