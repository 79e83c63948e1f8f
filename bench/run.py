"""The whole measurement: both mirrors in one run, in turns."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import TYPE_CHECKING

from bench import machine
from bench.children import no_child_left
from bench.content import add_blob, add_image, blob_path, forget_blob
from bench.costs import crowd_rows, pull_rows
from bench.load import find_wrk, rate, speed
from bench.plan import MIB
from bench.systems import docker_registry, docker_registry_version, mirrorsite
from bench.table import Report, Row, by_mirror
from tests.e2e.processes import scratch
from tests.fakes.upstream import FakeUpstream

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench.content import Paths
    from bench.plan import Plan
    from bench.systems import System
    from cache.oci.digest import Digest

WARM_UP_SECONDS = 1


@dataclass(frozen=True, slots=True)
class Parties:
    """Who takes part. `trusting` is Mirrorsite with a freshness window for tags."""

    upstream: FakeUpstream
    ours: System
    trusting: System
    theirs: System

    @property
    def pair(self) -> tuple[System, System]:
        return self.ours, self.theirs


@dataclass(frozen=True, slots=True)
class _ColdPull:
    """`speed` in MiB/s, as the client sees it; `kept_after` in ms, with the client's start."""

    speed: float
    kept_after: float


def run(plan: Plan, say: Callable[[str], None]) -> Report:
    """Measure everything; `say` is told what is being done.

    Raises `bench.load.Failed` when a mirror does not serve what it should. Whatever ends the run,
    its processes end and its folder goes away.
    """
    load_before = os.getloadavg()[0]
    with scratch("bench") as folder, no_child_left(), ExitStack() as stack:
        say("starting the mirrors")
        upstream = stack.enter_context(FakeUpstream())
        paths = add_image(upstream)
        parties = Parties(
            upstream,
            stack.enter_context(mirrorsite(folder / "ours", upstream.url)),
            stack.enter_context(mirrorsite(folder / "trusting", upstream.url, "1h")),
            stack.enter_context(docker_registry(folder / "theirs", upstream.url)),
        )
        say("upstream requests per pull")
        pulls, pull_notes = pull_rows(
            plan, upstream, parties.ours, parties.trusting, parties.theirs, paths
        )
        say(f"{plan.clients} clients at once")
        crowds = crowd_rows(plan, upstream, parties.pair)
        rates, most_tags = _rates(plan, parties, paths, say)
        speeds, top_speed = _speeds(plan, parties, say)
        say("memory and starts")
        memory, starts = _memory(parties), _starts(plan, parties)
    theirs = f"docker-registry {docker_registry_version()}"
    notes = (
        *machine.notes(plan, find_wrk(), load_before),
        f"Upstream: the tests' fake; alone {most_tags:,.0f} tags/s and {top_speed:,.0f} MiB/s.",
        *pull_notes,
    )
    return Report(theirs, (*rates, *speeds, *pulls, *crowds, memory, starts), notes)


def in_turns(rounds: int, measures: Sequence[Callable[[], float]]) -> tuple[tuple[float, ...], ...]:
    """The measurements of each, taken A B A B: whatever else the machine does meets all."""
    return by_mirror([[measure() for measure in measures] for _ in range(rounds)])


def _rates(
    plan: Plan, parties: Parties, paths: Paths, say: Callable[[str], None]
) -> tuple[list[Row], float]:
    """Rows in requests per second, and the rate of the upstream alone for a tag."""
    wrk = find_wrk()

    def measure(path: str, urls: Sequence[str]) -> tuple[tuple[float, ...], ...]:
        for url in urls:
            rate(url + path, plan.connections, WARM_UP_SECONDS, wrk)
        return in_turns(
            plan.rounds,
            [partial(rate, url + path, plan.connections, plan.seconds, wrk) for url in urls],
        )

    ours, theirs = (each.url for each in parties.pair)
    say("requests: manifest by digest")
    digest = measure(paths.by_digest, (ours, theirs))
    say("requests: manifest by tag")
    tag = measure(paths.by_tag, (ours, parties.trusting.url, theirs))
    say("requests: blob of 1 MiB")
    layer = measure(paths.layer, (ours, theirs))
    rows = [
        Row("manifest by digest, warm", "req/s", digest[0], digest[1]),
        Row("manifest by tag, warm, checked upstream", "req/s", tag[0], tag[2]),
        Row("the same, proxy.freshness: 1h", "req/s", tag[1], tag[2]),
        Row("blob of 1 MiB, warm", "req/s", layer[0], layer[1]),
    ]
    alone = rate(parties.upstream.url + paths.by_tag, plan.connections, plan.seconds, wrk)
    parties.upstream.reset()
    return rows, alone


def _speeds(plan: Plan, parties: Parties, say: Callable[[str], None]) -> tuple[list[Row], float]:
    """Rows of a big blob, a new one for each round; and the speed of the upstream alone."""
    cold, kept, warm, alone = [], [], [], []
    for number in range(plan.rounds):
        say(f"one big blob, round {number + 1}")
        digest = add_blob(parties.upstream, plan.big, f"big {number}")
        path = blob_path(digest)
        alone.append(speed(parties.upstream.url + path, plan.big))
        pulls = [_pull_cold(system, digest, plan.big) for system in parties.pair]
        cold.append([pull.speed for pull in pulls])
        kept.append([pull.kept_after for pull in pulls])
        warm.append([speed(system.url + path, plan.big) for system in parties.pair])
        forget_blob(parties.upstream, digest)
        for system in parties.pair:
            system.blob_path(digest).unlink()
    blob = f"blob of {plan.big // MIB} MiB"
    rows = [
        Row(f"{blob}, {state}", "MiB/s", taken[0], taken[1])
        for state, taken in (("warm", by_mirror(warm)), ("cold", by_mirror(cold)))
    ]
    ours, theirs = by_mirror(kept)
    rows.append(Row(f"cold {blob}, until it is kept", "ms", ours, theirs, less_is_better=True))
    return rows, median(alone)


def _pull_cold(system: System, digest: Digest, size: int) -> _ColdPull:
    # What an earlier measurement wrote must not slow this one down.
    os.sync()
    begun = time.perf_counter()
    seen = speed(system.url + blob_path(digest), size)
    system.wait_until_kept(digest)
    return _ColdPull(seen, 1000 * (time.perf_counter() - begun))


def _memory(parties: Parties) -> Row:
    ours, theirs = (each.resident_mib() for each in parties.pair)
    what = "memory after all this (RSS, summed)"
    return Row(what, "MiB", (ours,), (theirs,), less_is_better=True)


def _starts(plan: Plan, parties: Parties) -> Row:
    """Restarts over the store as it is by now."""

    def start(system: System) -> float:
        system.daemon.stop()
        begun = time.perf_counter()
        system.daemon.start()
        return 1000 * (time.perf_counter() - begun)

    taken = in_turns(plan.restarts, [partial(start, each) for each in parties.pair])
    what = "start, until all processes answer"
    return Row(what, "ms", taken[0], taken[1], less_is_better=True)
