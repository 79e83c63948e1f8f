"""Many clients at once: a fleet, the readers of one fill, and those who read slowly."""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING

from bench.load import BARRIER, Asking, Failed, Request, rate
from bench.plan import MIB
from bench.table import REGISTRY, Goal, Row, in_rounds

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bench.content import Blob, Image
    from bench.load import Pulled
    from bench.stage import Stage
    from bench.systems import System

PARALLEL = 3
"""Docker and containerd fetch so many layers at a time."""

SLOW_RATE = 100_000
READERS_RATE = MIB
"""Bytes per second of each reader of a fill: 500 of them fill a line of 4 Gbit/s."""

MOST_MEMORY = 400
MOST_OF_A_FLEET = 500


def fleet(stage: Stage) -> Iterator[Row]:
    """Machines that all pull one image, as a rollout has them do."""
    times: dict[str, list[list[float]]] = {"cold": [], "warm": []}
    peaks: list[list[float]] = []
    both = (stage.ours, stage.theirs)
    for image in stage.fleets:
        wanted = _pull_of(stage, image)
        for state, taken in times.items():
            stage.say(f"fleet, {state}")
            round_, peak = [], []
            for system in both:
                os.sync()
                system.forget_peak()
                round_.append(_pull(stage, system, wanted, stage.plan.fleet).seconds)
                peak.append(system.peak_mib())
            taken.append(round_)
            peaks.append(peak)
        for blob in image.layers:
            for system in both:
                system.wait_until_kept(blob.digest)
                system.blob_path(blob.digest).unlink()
            stage.content.forget(blob)
    total = sum(blob.size for blob in stage.fleets[0].layers) // MIB
    who = f"{stage.plan.fleet} clients pull {stage.plan.layers} layers, {total} MiB"
    for state, most in (("cold", 0.4), ("warm", 0.9)):
        ours, theirs = in_rounds(times[state])
        goal = (Goal(most, REGISTRY),)
        yield Row(f"fleet-{state}", f"{who}, {state}", "s", ours, {REGISTRY: theirs}, goal, True)
    ours, theirs = in_rounds(peaks)
    what = "peak memory of all processes meanwhile"
    goal = (Goal(MOST_OF_A_FLEET),)
    yield Row("fleet-memory", what, "MiB", ours, {REGISTRY: theirs}, goal, True)


def readers_of_a_fill(stage: Stage) -> Iterator[Row]:
    """How fast a blob arrives that many read meanwhile, and one that one client reads."""
    speeds: list[list[float]] = []
    for number in range(stage.plan.few):
        many, one = (
            _fill_speed(stage, f"readers {number} {count}", count)
            for count in (stage.plan.readers, 1)
        )
        speeds.append([many, one])
    ours, alone = in_rounds(speeds)
    what = f"a fill that {stage.plan.readers} read while it arrives"
    other = "one reader"
    yield Row("readers", what, "MiB/s", ours, {other: alone}, (Goal(0.7, other),))


def slow_clients(stage: Stage) -> Iterator[Row]:
    """Clients on thin lines, and what others notice of them."""
    plan, system = stage.plan, stage.ours
    blob = stage.content.add_blob(plan.big, "slow")
    stage.check(system, blob.path, stage.image.by_digest)
    idle = _manifests(stage, system)
    system.forget_peak()
    result: list[Pulled | Exception] = []

    def crowd() -> None:
        try:
            result.append(
                stage.crowd.pull(
                    system.address,
                    [Request(blob.path, stage.content.file(blob.path))],
                    clients=plan.slow,
                    rate=SLOW_RATE,
                    seconds=plan.slow_seconds,
                )
            )
        except Failed as failure:
            result.append(failure)

    thread = threading.Thread(target=crowd)
    thread.start()
    # All have connected by then.
    time.sleep(min(3.0, plan.slow_seconds / 3))
    meanwhile = _manifests(stage, system)
    peak = system.peak_mib()
    thread.join()
    pulled = result[0]
    if isinstance(pulled, Exception):
        raise pulled
    if pulled.begun < plan.slow:
        raise Failed(f"{plan.slow - pulled.begun} of {plan.slow} slow clients got no byte")
    system.blob_path(blob.digest).unlink()
    stage.content.forget(blob)
    who = f"{plan.slow} clients read {plan.big // MIB} MiB at 100 KB/s"
    slowest = (pulled.slowest_first_byte,)
    yield Row("slow-first", f"{who}: slowest first byte", "s", slowest, {}, (Goal(2.0),), True)
    others, goal = {"without them": idle}, (Goal(0.7, "without them"),)
    yield Row("slow-others", f"{who}: others' manifests", "req/s", meanwhile, others, goal)
    yield Row("slow-memory", f"{who}: memory", "MiB", (peak,), {}, (Goal(MOST_MEMORY),), True)


def _pull_of(stage: Stage, image: Image) -> list[Request]:
    """What a client asks for to pull it."""
    manifest = stage.content.file(image.by_digest)
    return [
        Request(image.by_tag, manifest, "HEAD"),
        BARRIER,
        Request(image.by_digest, manifest),
        BARRIER,
        *(
            Request(blob.path, stage.content.file(blob.path))
            for blob in (image.config, *image.layers)
        ),
    ]


def _pull(stage: Stage, system: System, wanted: Sequence[Request], clients: int) -> Pulled:
    return stage.crowd.pull(system.address, wanted, clients=clients, parallel=PARALLEL)


def _fill_speed(stage: Stage, seed: str, readers: int) -> float:
    """MiB/s from the first request until the blob is kept."""
    blob = stage.content.add_blob(stage.plan.fill, seed)
    os.sync()
    ended = threading.Event()
    begun = time.perf_counter()
    speed = 0.0

    def watch() -> None:
        nonlocal speed
        stage.ours.wait_until_kept(blob.digest)
        speed = blob.size / MIB / (time.perf_counter() - begun)
        ended.set()

    thread = threading.Thread(target=watch)
    thread.start()
    wanted = [Request(blob.path, stage.content.file(blob.path))]
    pulled = stage.crowd.pull(
        stage.ours.address, wanted, clients=readers, rate=READERS_RATE, seconds=_long(stage)
    )
    thread.join()
    if pulled.begun < readers:
        raise Failed(f"{readers - pulled.begun} of {readers} readers of a fill got no byte")
    _forget(stage, blob)
    return speed


def _long(stage: Stage) -> float:
    """Seconds in which the blob is filled, more or less; the readers are not waited for."""
    return max(2.0, stage.plan.fill / MIB / 100)


def _forget(stage: Stage, blob: Blob) -> None:
    stage.ours.blob_path(blob.digest).unlink()
    stage.content.forget(blob)


def _manifests(stage: Stage, system: System) -> tuple[float, ...]:
    asking = Asking(stage.plan.connections, stage.plan.seconds)
    path = stage.image.by_digest
    size = stage.content.file(path).stat().st_size
    return tuple(rate(system.url, [path], size, asking) for _ in range(stage.plan.few))
