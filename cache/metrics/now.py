"""How this process stands now: what it shows to scrapes, which another process may answer.

Each process renews its own numbers every second; the one that is asked renews them once more.
"""

from __future__ import annotations

import logging
import resource
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from cache import meters, runtime
from cache.meters import families
from cache.runtime import Runtime

log = logging.getLogger(__name__)

_STATM = Path("/proc/self/statm")
_FDS = Path("/proc/self/fd")

#: To list open files takes time where there are thousands: it is done so often only (seconds).
_FILES_STEP = 5.0

_lock = threading.Lock()
_watched: list[Callable[[], Mapping[str, float]]] = []
_cpu_counted = 0.0
_files_at = float("-inf")
_is_told = False


def watch(numbers: Callable[[], Mapping[str, float]]) -> None:
    """Have these gauges without labels be shown too: by name, what they are when asked for."""
    _watched.append(numbers)


def refresh() -> None:
    """Renew what this process shows of itself; asks nobody."""
    with _lock:
        mirror = runtime.current()
        _fills(mirror)
        for name, upstream in mirror.upstreams.items():
            meters.put(families.BREAKER, name, value=float(upstream.is_away))
        _queue(mirror)
        _process()
        for numbers in _watched:
            for name, value in numbers().items():
                meters.put(name, value=value)
        _tell_if_full()


def _fills(mirror: Runtime) -> None:
    states = mirror.coalescer.states()
    meters.put(families.FILLS_NOW, value=float(sum(state.fetches for state in states)))
    meters.put(families.READERS_NOW, value=float(sum(state.readers for state in states)))


def _queue(mirror: Runtime) -> None:
    waiting = mirror.traffic.waiting() | {"traffic": mirror.tally.waiting()}
    for kind, length in waiting.items():
        meters.put(families.QUEUE, kind, value=float(length))
    since = mirror.traffic.told_at
    age = max(0.0, time.monotonic() - since) if any(waiting.values()) else 0.0
    meters.put(families.QUEUE_AGE, value=age)


def _process() -> None:
    global _cpu_counted, _files_at  # noqa: PLW0603 - under the lock, in this file only
    used = resource.getrusage(resource.RUSAGE_SELF)
    cpu = used.ru_utime + used.ru_stime
    meters.add(families.CPU, amount=max(0.0, cpu - _cpu_counted))
    _cpu_counted = cpu
    meters.put(families.WORKERS, value=1.0)
    meters.put(families.WORKER_STARTED, value=meters.belongs_since())
    now = time.monotonic()
    try:
        pages = int(_STATM.read_text(encoding="ascii").split()[1])
        meters.put(families.MEMORY, value=float(pages * resource.getpagesize()))
        if now - _files_at >= _FILES_STEP:
            _files_at = now
            meters.put(families.FILES, value=float(sum(1 for _ in _FDS.iterdir())))
    except (OSError, ValueError, IndexError) as error:
        log.debug("The process cannot look at itself: %s", error)
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    meters.put(families.MOST_FILES, value=float(limit))


def _tell_if_full() -> None:
    global _is_told  # noqa: PLW0603
    if meters.is_full() and not _is_told:
        _is_told = True
        log.error("There is no room for more metrics in this process: some are not counted")
