"""Processes of one mirror, which share its memory, at one upstream."""

from __future__ import annotations

import functools
import multiprocessing
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from cache.memory import Memory
from cache.oci.reference import RepositoryName, Tag
from cache.streaming.flight import exclusive
from cache.upstream.client import Endpoint, Upstream


def memory_in(folder: Path) -> Memory:
    """The memory of the mirror whose root this is; another object is another process."""
    locks = folder / "locks"
    locks.mkdir(exist_ok=True)
    return Memory(folder / "memory", functools.partial(exclusive, locks))


def processes(count: int) -> ProcessPoolExecutor:
    """Real ones, which begin from nothing."""
    return ProcessPoolExecutor(count, mp_context=multiprocessing.get_context("spawn"))


def ask_many_times(
    folder: Path, url: str, settings: dict[str, Any], name: str, threads: int
) -> set[str]:
    """What so many threads of a process are told of a tag, all at once."""
    upstream = Upstream(Endpoint(url, **settings), memory_in(folder))
    try:
        with ThreadPoolExecutor(threads) as pool:
            asked = [
                pool.submit(upstream.head_manifest, RepositoryName.parse(name), Tag("latest"))
                for _ in range(threads)
            ]
            return {str(each.result().digest) for each in asked}
    finally:
        upstream.close()
