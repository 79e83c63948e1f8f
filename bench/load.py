"""One measurement of one server: a rate of requests by wrk, or a crowd of clients by `pull.c`."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cache.oci.media_types import ACCEPT

if TYPE_CHECKING:
    from collections.abc import Sequence

PROJECT = Path(__file__).parents[1]
PATIENCE = 300.0
"""Seconds for one measurement beyond its own duration."""

_SOURCE = PROJECT / "bench" / "pull.c"
_MEASURED = re.compile(r"^measured ([0-9]+) ([0-9]+) ([0-9]+)$", re.MULTILINE)
_TROUBLE = re.compile(r"^\s*(?:Non-2xx or 3xx responses|Socket errors):.*$", re.MULTILINE)

# What wrk rounds in its own words, and for several paths the requests in turn.
_SCRIPT = """\
function done(summary)
  io.write(string.format("measured %.0f %.0f %.0f\\n",
    summary.requests, summary.bytes, summary.duration))
end
"""
_IN_TURN = """\
local paths = {{ {paths} }}
local requests, at = {{}}, 0
function init()
  for number, path in ipairs(paths) do requests[number] = wrk.format("GET", path) end
end
function request()
  at = at % #requests + 1
  return requests[at]
end
"""


class Failed(Exception):
    """What was to be measured did not work, so that no number would mean anything."""


@dataclass(frozen=True, slots=True)
class Asking:
    """How wrk asks: over `connections` that stay open, for `seconds`."""

    connections: int
    seconds: int
    headers: tuple[str, ...] = ()


def rate(url: str, paths: Sequence[str], body: int, asking: Asking) -> float:
    """GETs of the paths, in turn, answered per second. Raises Failed.

    Each answer is to have a body of `body` bytes: so many must have come.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(_SCRIPT)
        if len(paths) > 1:
            script.write(_IN_TURN.format(paths=", ".join(f'"{path}"' for path in paths)))
        script.flush()
        headers = (f"Accept: {ACCEPT}", *asking.headers)
        said = _output(
            "wrk",
            "--threads=1",
            f"--connections={asking.connections}",
            f"--duration={asking.seconds}s",
            "--timeout=30s",
            f"--script={script.name}",
            *(word for header in headers for word in ("--header", header)),
            url + paths[0],
        )
    return wrk_rate(said, body)


def wrk_rate(said: str, body: int) -> float:
    """Requests per second in what wrk prints. Raises Failed if some were not answered well."""
    trouble = _TROUBLE.search(said)
    found = _MEASURED.search(said)
    if trouble is not None or found is None:
        raise Failed(f"wrk says: {trouble[0].strip() if trouble else said}")
    requests, received, microseconds = map(int, found.groups())
    if received < requests * body or requests == 0:
        raise Failed(f"wrk had {requests} answers of {body} bytes, and only {received} bytes")
    return requests / microseconds * 1e6


@dataclass(frozen=True, slots=True)
class Request:
    """One of a crowd's requests. What comes must be the bytes of `file`, if one is given."""

    path: str
    file: Path | None = None
    method: str = "GET"


BARRIER = Request("")
"""A client's requests before it end before those after it begin."""


@dataclass(frozen=True, slots=True)
class Pulled:
    """How a crowd fared. `seconds` is when the last one had all, `median` when half of them had.

    Times are in seconds; those of first bytes count from the request. `begun` had a first byte.
    """

    answers: int
    bytes: int
    seconds: float
    median: float
    begun: int
    first_byte: float
    slowest_first_byte: float


class Crowd:
    """The clients of `pull.c`, compiled in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._program = folder / "pull"
        _output(
            *("cc", "-O2", "-o", str(self._program), str(_SOURCE), "-lssl", "-lcrypto"),
        )

    def pull(
        self,
        address: str,
        requests: Sequence[Request],
        *,
        clients: int = 1,
        parallel: int = 1,
        rate: float = 0.0,
        seconds: float = 0.0,
        tls: bool = False,
        drop: bool = False,
        headers: Sequence[str] = (),
    ) -> Pulled:
        """Have all of them make all the requests. Raises Failed, also for wrong bytes.

        `rate` bounds each one's bytes per second; after `seconds` all leave, wherever they are.
        With `drop` the kernel throws the bytes away, whose number alone is checked then.
        """
        command = self._command(clients, parallel, rate, seconds)
        with tempfile.NamedTemporaryFile("w", dir=self._folder) as listed:
            listed.writelines(_line(request) for request in requests)
            listed.flush()
            said = _output(
                *command,
                *(("--tls",) if tls else ()),
                *(("--drop",) if drop else ()),
                *(("--header", "\r\n".join((f"Accept: {ACCEPT}", *headers)))),
                *address.split(":"),
                listed.name,
                patience=PATIENCE + seconds,
            )
        found: dict[str, Any] = json.loads(said)
        return Pulled(**found)

    def _command(self, clients: int, parallel: int, rate: float, seconds: float) -> tuple[str, ...]:
        return (
            str(self._program),
            *("--clients", str(clients), "--parallel", str(parallel)),
            *("--rate", str(rate), "--seconds", str(seconds)),
        )


def missing_programs() -> list[str]:
    """Those that are needed and not installed."""
    return [name for name in ("wrk", "cc") if shutil.which(name) is None]


def _line(request: Request) -> str:
    return f"{request.method} {request.path} {request.file or '-'}\n" if request.path else "--\n"


def _output(*command: str, patience: float = PATIENCE) -> str:
    try:
        ended = subprocess.run(
            command, cwd=PROJECT, capture_output=True, text=True, timeout=patience, check=True
        )
    except subprocess.CalledProcessError as error:
        raise Failed(f"{' '.join(command)}\n{error.stdout}{error.stderr}") from error
    except subprocess.TimeoutExpired as error:
        raise Failed(f"{' '.join(command)}\ndid not end in {patience:.0f} s") from error
    return ended.stdout
