"""What pulls cost upstream: counted, not timed."""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection
from threading import Barrier
from typing import TYPE_CHECKING

from bench.content import REPOSITORY, Paths, add_blob, blob_path, forget_blob
from bench.load import Failed
from bench.plan import MIB
from bench.table import OURS, Row, by_mirror
from cache.oci.media_types import ACCEPT
from tests.e2e.raw import ANSWER_SECONDS, Download

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bench.plan import Plan
    from bench.systems import System
    from cache.oci.digest import Digest
    from tests.fakes.upstream import FakeUpstream

_QUIET_SECONDS = 0.25
"""So long nothing moves at upstream before it is taken to be over."""


@dataclass(frozen=True, slots=True)
class Transfers:
    """What one blob cost upstream."""

    gets: int
    mib: float


def pull_rows(
    plan: Plan, upstream: FakeUpstream, ours: System, trusting: System, theirs: System, paths: Paths
) -> tuple[list[Row], list[str]]:
    """Rows of upstream requests per warm pull, and notes on which requests they are.

    `trusting` is Mirrorsite with a freshness window for tags.
    """
    rows, notes = [], []
    for what, mine, path in (
        ("manifest by digest", ours, paths.by_digest),
        ("manifest by tag", ours, paths.by_tag),
        ("manifest by tag, proxy.freshness: 1h", trusting, paths.by_tag),
        ("blob of 1 MiB", ours, paths.layer),
    ):
        asked, theirs_asked = (
            per_warm_pull(each, upstream, path, plan.counted_pulls) for each in (mine, theirs)
        )
        total = by_mirror([[sum(asked.values()), sum(theirs_asked.values())]])
        name, unit = f"a pull of a warm {what}", "upstream requests"
        rows.append(Row(name, unit, total[0], total[1], less_is_better=True))
        if asked or theirs_asked:
            notes.append(
                f"Upstream requests of a pull of a warm {what}: {OURS} {_spelled(asked)}; "
                f"docker-registry {_spelled(theirs_asked)}."
            )
    return rows, notes


def crowd_rows(plan: Plan, upstream: FakeUpstream, pair: Sequence[System]) -> list[Row]:
    """Rows of what many clients of one cold blob cost upstream, a new blob for each round."""
    taken = []
    for number in range(plan.crowd_rounds):
        digest = add_blob(upstream, plan.crowd, f"crowd {number}")
        taken.append([crowd(system, upstream, digest, plan.clients) for system in pair])
        forget_blob(upstream, digest)
    gets = by_mirror([[each.gets for each in both] for both in taken])
    mib = by_mirror([[each.mib for each in both] for both in taken])
    wanted = f"{plan.clients} clients of one cold blob of {plan.crowd // MIB} MiB"
    return [
        Row(wanted, "upstream GETs", gets[0], gets[1], less_is_better=True),
        Row("the same", "upstream MiB", mib[0], mib[1], less_is_better=True),
    ]


def crowd(system: System, upstream: FakeUpstream, digest: Digest, clients: int) -> Transfers:
    """Have so many clients want a cold blob at once. Raises Failed if one gets other bytes."""
    settle(upstream)
    upstream.reset()
    together = Barrier(clients)

    def client() -> str:
        together.wait(ANSWER_SECONDS)
        with Download(system.address, REPOSITORY, digest) as received:
            return received.read_all()

    with ThreadPoolExecutor(clients) as pool:
        ended = [pool.submit(client) for _ in range(clients)]
    wrong = sum(each.result() != str(digest) for each in ended)
    if wrong:
        raise Failed(f"{wrong} of {clients} clients of {system.address} got wrong bytes")
    system.wait_until_kept(digest)
    settle(upstream)
    gets = upstream.count("GET", f"{blob_path(digest)}$")
    return Transfers(gets, round(upstream.body_bytes / MIB, 1))


def per_warm_pull(
    system: System, upstream: FakeUpstream, path: str, pulls: int
) -> dict[str, float]:
    """Upstream requests per pull of a path that has been pulled, by method and kind.

    As {"HEAD manifests": 1.0}; `GET /v2/` is a "GET ping".
    """
    for _ in range(2):
        _pull(system, path)
        settle(upstream)
    upstream.reset()
    for _ in range(pulls):
        _pull(system, path)
    settle(upstream)
    seen = Counter(f"{request.method} {_kind(request.path)}" for request in upstream.requests)
    return {what: count / pulls for what, count in seen.items()}


def settle(upstream: FakeUpstream) -> None:
    """Return when upstream has nothing more to do for what was asked so far."""
    before = None
    while (now := (len(upstream.requests), upstream.body_bytes)) != before:
        before = now
        time.sleep(_QUIET_SECONDS)


def _pull(system: System, path: str) -> None:
    with closing(HTTPConnection(system.address, timeout=ANSWER_SECONDS)) as connection:
        connection.request("GET", path, headers={"Accept": ACCEPT})
        response = connection.getresponse()
        response.read()
        if response.status != HTTPStatus.OK:
            raise Failed(f"{system.url}{path} was answered with {response.status}")


def _kind(path: str) -> str:
    return "ping" if path == "/v2/" else path.removeprefix(f"/v2/{REPOSITORY}/").split("/")[0]


def _spelled(requests: Mapping[str, float]) -> str:
    """As "1 HEAD manifests, 0.5 GET ping"."""
    return ", ".join(f"{count:g} {what}" for what, count in requests.items()) or "nothing"
