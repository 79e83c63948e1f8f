"""One measurement of one server: a rate of requests, or the speed of a download."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

from bench.plan import MIB
from cache.oci.media_types import ACCEPT

PROJECT = Path(__file__).parents[1]
PATIENCE = 120.0
"""Seconds for one measurement beyond its own duration."""

_RATE = re.compile(r"^Requests/sec:\s+([0-9.]+)$", re.MULTILINE)
_TROUBLE = re.compile(r"^\s*(?:Non-2xx or 3xx responses|Socket errors):.*$", re.MULTILINE)


class Failed(Exception):
    """What was to be measured did not work, so that no number would mean anything."""


def find_wrk() -> str | None:
    """The program `wrk`, if it is installed."""
    return shutil.which("wrk")


def rate(url: str, connections: int, seconds: int, wrk: str | None) -> float:
    """GETs of `url` answered per second, over connections that stay open. Raises Failed.

    Without `wrk` a client in Python asks, which takes more of the processor from the server.
    """
    if wrk is None:
        own = ("rate", url, str(connections), str(seconds))
        return float(_output(sys.executable, "-m", "bench.client", *own))
    size = ("--threads=1", f"--connections={connections}", f"--duration={seconds}s")
    return wrk_rate(_output(wrk, *size, "--header", f"Accept: {ACCEPT}", url))


def wrk_rate(said: str) -> float:
    """Requests per second in what wrk prints. Raises Failed if some were not answered well."""
    trouble = _TROUBLE.search(said)
    found = _RATE.search(said)
    if trouble is not None or found is None:
        raise Failed(f"wrk says: {trouble[0].strip() if trouble else said}")
    return float(found[1])


def speed(url: str, size: int) -> float:
    """MiB/s of a download of `size` bytes, connecting included. Raises Failed."""
    received, seconds = _output(sys.executable, "-m", "bench.client", "sink", url).split()
    if int(received) != size:
        raise Failed(f"{url} has {size} bytes, {received} came")
    return size / MIB / float(seconds)


def _output(*command: str) -> str:
    try:
        ended = subprocess.run(
            command, cwd=PROJECT, capture_output=True, text=True, timeout=PATIENCE, check=True
        )
    except subprocess.CalledProcessError as error:
        raise Failed(f"{' '.join(command)}\n{error.stdout}{error.stderr}") from error
    return ended.stdout
