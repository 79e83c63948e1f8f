"""Every metric: its name, what it means, and the values that tell one number from another.

No label has a value that clients or upstreams can choose, such as a repository, a user or a digest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What Prometheus calls a type."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Merge(StrEnum):
    """What becomes of the gauges of several processes."""

    SUM = "sum"
    MAX = "max"
    WORKER = "worker"
    """Each is shown, with the number of the process as a label of its own."""
    NEWEST = "newest"
    """What the process says that measured last."""


@dataclass(frozen=True, slots=True)
class Family:
    """A metric. ``bounds`` are those of a histogram's buckets, but for the one without."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()
    merge: Merge = Merge.SUM


#: Seconds: from a manifest out of memory to a layer for a client on a slow line.
_ANSWER = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 600.0)
_UPSTREAM = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_DATABASE = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1.0, 5.0)

FAMILIES: dict[str, Family] = {}


def _family(family: Family) -> str:
    FAMILIES[family.name] = family
    return family.name


def _counter(name: str, told: str, *labels: str) -> str:
    return _family(Family(f"mirrorsite_{name}", Kind.COUNTER, told, labels))


def _gauge(name: str, told: str, *labels: str, merge: Merge = Merge.SUM) -> str:
    return _family(Family(f"mirrorsite_{name}", Kind.GAUGE, told, labels, merge=merge))


def _histogram(name: str, told: str, bounds: tuple[float, ...], *labels: str) -> str:
    return _family(Family(f"mirrorsite_{name}", Kind.HISTOGRAM, told, labels, bounds))


# -- clients -----------------------------------------------------------------------------------

REQUESTS = _counter(
    "requests_total",
    "Requests that have ended, by what was asked for, status, and how the answer came about.",
    "route",
    "method",
    "status",
    "cache",
)
REQUEST_SECONDS = _histogram(
    "request_duration_seconds",
    "From a request's head to the end of its answer.",
    _ANSWER,
    "route",
    "cache",
)
SERVED = _counter("served_bytes_total", "Bytes of bodies sent to clients.", "upstream")
CONNECTIONS = _gauge("connections", "Clients' connections that are open.")
IN_PROGRESS = _gauge("requests_in_progress", "Requests for which a thread is at work.")
THREADS = _gauge("threads_limit", "Requests that can be answered at the same time.")

# -- fills -------------------------------------------------------------------------------------

FILLS = _counter(
    "fills_total", "Transfers of blobs from upstream that have ended, by how.", "upstream", "result"
)
JOINED = _counter(
    "fill_joined_readers_total",
    "Requests for a missing blob that shared a transfer which another one had begun.",
    "upstream",
)
RESUMES = _counter(
    "fill_resumes_total",
    "Times that upstream continued a transfer behind the bytes that were here.",
    "upstream",
)
VERIFICATION_FAILURES = _counter(
    "verification_failures_total",
    "Contents from upstream that were not what their digest promises, and were not kept.",
    "upstream",
    "content",
)
FILLS_NOW = _gauge("fills_in_flight", "Transfers of blobs from upstream that go on now.")
READERS_NOW = _gauge("fill_readers", "Requests that read a blob while it arrives.")
FETCHED = _counter("fetched_bytes_total", "Bytes of content that came from upstream.", "upstream")

# -- upstreams ---------------------------------------------------------------------------------

UPSTREAM_SECONDS = _histogram(
    "upstream_response_seconds",
    "From a question to the head of upstream's answer, signing in included.",
    _UPSTREAM,
    "upstream",
    "content",
)
UPSTREAM_ERRORS = _counter(
    "upstream_errors_total",
    "Questions to upstream that did not get what they asked for, by why.",
    "upstream",
    "kind",
)
BREAKER = _gauge(
    "upstream_breaker_open",
    "Worker processes that leave upstream alone, as it has not answered them lately.",
    "upstream",
)
QUOTA_LIMIT = _gauge("upstream_quota_limit", "Counted requests of upstream's quota.", "upstream")
QUOTA_LEFT = _gauge("upstream_quota_remaining", "Those that are left.", "upstream")
QUOTA_HELD = _gauge(
    "upstream_held_back",
    "Whether manifests are not asked for now, as upstream takes no more requests (1 or 0).",
    "upstream",
)

# -- the store ---------------------------------------------------------------------------------

MEASURED = _gauge(
    "store_measured_timestamp_seconds",
    "When bytes and objects were last counted.",
    merge=Merge.NEWEST,
)
HELD = _gauge("store_bytes", "Bytes of all blobs together.", merge=Merge.NEWEST)
OBJECTS = _gauge("store_objects", "Blobs.", merge=Merge.NEWEST)
LIMIT = _gauge("store_limit_bytes", "What all blobs may take together; absent if unbounded.")
DISK = _gauge("store_disk_size_bytes", "Size of the store's file system.")
FREE = _gauge("store_disk_free_bytes", "What is free of it for the mirror.")
MIN_FREE = _gauge("store_disk_min_free_bytes", "What is to stay free of it.")
EVICTIONS = _counter(
    "evictions_total", "Images, and blobs of no image, that were removed, by why.", "reason"
)
EVICTED = _counter("evicted_bytes_total", "Bytes that this has freed.", "reason")
DAMAGED = _counter(
    "store_damaged_total", "Blobs in the store that were found to be wrong, by how.", "kind"
)

# -- the database ------------------------------------------------------------------------------

DATABASE_SECONDS = _histogram(
    "database_seconds",
    "Time that pulls' questions and notes to the database took, waiting included.",
    _DATABASE,
    "kind",
)
DATABASE_ERRORS = _counter(
    "database_errors_total", "Questions and notes that the database did not take.", "kind"
)
QUEUE = _gauge("write_queue_length", "What pulls left behind that is not written down yet.", "kind")
QUEUE_AGE = _gauge(
    "write_queue_oldest_seconds",
    "How long the oldest of it has waited at most.",
    merge=Merge.MAX,
)

# -- processes ---------------------------------------------------------------------------------

BUILD = _gauge("build_info", "The program that runs; always 1.", "version", "python")
STARTED = _gauge("start_time_seconds", "When the mirror was started: counters began at 0 then.")
WORKERS = _gauge("workers", "Worker processes that are at work.")
CPU = _counter("worker_cpu_seconds_total", "Processor time of all workers, ended ones too.")
WORKER_STARTED = _gauge(
    "worker_start_time_seconds", "When this worker was started.", merge=Merge.WORKER
)
MEMORY = _gauge(
    "worker_resident_memory_bytes", "Memory that this worker occupies.", merge=Merge.WORKER
)
FILES = _gauge("worker_open_files", "Files and sockets that it has open.", merge=Merge.WORKER)
MOST_FILES = _gauge("worker_open_files_limit", "How many it may have.", merge=Merge.WORKER)

#: See the classes in :mod:`cache.upstream.errors`; `held_back`: not asked, for want of quota.
ERROR_KINDS = (
    "bad_answer",
    "busy",
    "circuit_open",
    "denied",
    "held_back",
    "interrupted",
    "no_credentials",
    "not_found",
    "offline",
    "range_rejected",
    "rate_limited",
    "server_failed",
    "timed_out",
    "too_large",
    "unreachable",
)


def expected(upstreams: Iterable[str]) -> Iterator[tuple[str, ...]]:
    """What is shown as 0 before it happens for the first time, which would pass for nothing.

    Prometheus sees a counter grow only from a number that it has seen.
    """
    for upstream in upstreams:
        for name in (SERVED, FETCHED, JOINED, RESUMES):
            yield name, upstream
        yield from ((FILLS, upstream, result) for result in ("complete", "failed", "unanswered"))
        yield from ((VERIFICATION_FAILURES, upstream, what) for what in ("blob", "manifest"))
        yield from ((UPSTREAM_ERRORS, upstream, kind) for kind in ERROR_KINDS)
    for reason in ("expired", "max_size", "min_free", "purged"):
        yield EVICTIONS, reason
        yield EVICTED, reason
    yield from ((DAMAGED, kind) for kind in ("damaged", "size", "unreadable"))
    yield from ((DATABASE_ERRORS, kind) for kind in ("note", "question"))


GAUGES = frozenset(name for name, family in FAMILIES.items() if family.kind is Kind.GAUGE)
