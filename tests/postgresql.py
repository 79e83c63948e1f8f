"""`python -m tests.postgresql COMMAND…` runs a command, as pytest, on a PostgreSQL of its own.

The server is in a folder of its own and goes away with it when the command has ended, also with
Ctrl-C. The command finds its address in `DATABASE_URL`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence

import pytest

from tests.e2e.processes import scratch
from tests.faults.postgres import Postgres

#: Each mirror of a test may have some forty connections.
CONNECTIONS = "500"


def main(command: Sequence[str]) -> int:
    """Run it, and return its exit code."""
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    try:
        with scratch("postgresql") as home, Postgres(home, max_connections=CONNECTIONS) as server:
            # A crash loses the server's data here, and nobody misses them.
            return _run(command, {**os.environ, "DATABASE_URL": server.url})
    except pytest.skip.Exception as missing:
        print(f"Nothing was tested on PostgreSQL: {missing}", file=sys.stderr)
        return 0
    except pytest.fail.Exception as missing:
        print(f"This cannot be tested on PostgreSQL: {missing}", file=sys.stderr)
        return 1


def _run(command: Sequence[str], environ: dict[str, str]) -> int:
    """The command has Ctrl-C from the terminal as this process has, and ends in its own way."""
    process = subprocess.Popen(command, env=environ)
    signal.signal(signal.SIGINT, lambda _number, _frame: None)
    signal.signal(signal.SIGTERM, lambda number, _frame: process.send_signal(number))
    code = process.wait()
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
