"""How much one machine's mirror takes on: processes, threads, connections, open files."""

from __future__ import annotations

import os
import resource
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cache.config.shape import ConfigError
from cache.oci.errors import quote

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_FILES = 65_536
MOST_WORKERS = 256
MOST_THREADS = 10_000
DEFAULT_THREADS = 1_000
# Kept-alive connections cost no thread: a worker takes this many besides those it answers.
IDLE_CONNECTIONS = 4_000
# A connection that is answered holds its socket and the blob's file; the rest is headroom.
FILES_PER_CONNECTION = 3


@dataclass(frozen=True, slots=True)
class Capacity:
    """`threads` and `connections` are those of each worker; there are more connections."""

    workers: int
    threads: int
    connections: int


def plan(environ: Mapping[str, str], open_files: int) -> Capacity:
    """What to run where a process may have `open_files` open at once.

    WEB_CONCURRENCY and MIRROR_THREADS override the number of workers and of their threads; raises
    ConfigError if one of them is no number in its range.
    """
    problems: list[str] = []
    cores = len(os.sched_getaffinity(0))
    workers = _number(environ, "WEB_CONCURRENCY", max(2, cores), MOST_WORKERS, problems)
    threads = _number(environ, "MIRROR_THREADS", DEFAULT_THREADS, MOST_THREADS, problems)
    if problems:
        raise ConfigError(tuple(problems))
    connections = max(2, min(threads + IDLE_CONNECTIONS, open_files // FILES_PER_CONNECTION))
    return Capacity(workers, min(threads, connections - 1), connections)


def workers(environ: Mapping[str, str]) -> int:
    """How many worker processes there are; raises ConfigError as `plan` does."""
    return plan(environ, MOST_FILES).workers


def raise_open_files() -> int:
    """Raise this process's limit of open files as far as it may go, and return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        return wanted
    return MOST_FILES if soft == resource.RLIM_INFINITY else soft


def _number(
    environ: Mapping[str, str], name: str, default: int, most: int, problems: list[str]
) -> int:
    written = environ.get(name)
    if not written:
        return default
    if written.isascii() and written.isdigit() and 1 <= int(written[:9]) <= most:
        return int(written)
    problems.append(f"{name}: found {quote(written)}; allowed a whole number from 1 to {most}")
    return default
