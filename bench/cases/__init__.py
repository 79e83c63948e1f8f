"""The cases of a run. Each is a function of the stage that gives rows, and can be run by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.cases import blobs, cold, costs, crowds, growth, rates, scale, starting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from bench.stage import Stage
    from bench.table import Row

CASES: Mapping[str, Callable[[Stage], Iterator[Row]]] = {
    "costs": costs.upstream_requests,
    "digest": rates.manifest_by_digest,
    "tags": rates.tags,
    "blobs": rates.small_blobs,
    "logs": rates.with_access_logs,
    "tls": rates.over_tls,
    "big": blobs.warm,
    "big-tls": blobs.warm_over_tls,
    "cold": cold.one_client,
    "crowd": cold.one_crowd,
    "fleet": crowds.fleet,
    "readers": crowds.readers_of_a_fill,
    "slow": crowds.slow_clients,
    "auth": scale.with_authentication,
    "million": scale.with_a_million_blobs,
    "start": starting.first_answer,
}

#: Those that `make bench` leaves out, for the sake of its fifteen minutes.
EXTRA: Mapping[str, Callable[[Stage], Iterator[Row]]] = {"growth": growth.growth}
