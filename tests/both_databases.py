"""`python -m tests.both_databases` runs the tests on PostgreSQL and on SQLite, side by side.

They wait for processes and clients more than they compute, so that the two together take little
longer than one. What is said of SQLite, which has all tests, is shown as it comes. What PostgreSQL
adds is kept meanwhile, and shown before the last lines: see :mod:`tests.conftest`.

What drives real clients and browsers (`e2e`) is left to SQLite here: it is most of the time, and
what reaches the database by it has tests of its own in both runs. `make test-postgresql` has all.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

#: A file that the run on PostgreSQL has locked until it has ended, with what it says.
OTHER_RUN = "MIRROR_TEST_OTHER_RUN"


def main() -> int:
    """Run both; 0 if both were content."""
    pytest = (sys.executable, "-m", "pytest", *sys.argv[1:])
    again = (*pytest, "-m", "not e2e")
    with tempfile.TemporaryDirectory(prefix="mirrorsite-tests-") as folder:
        said = Path(folder) / "on-postgresql.txt"
        with said.open("wb") as output:
            postgresql = subprocess.Popen(
                ("flock", "--no-fork", said, sys.executable, "-m", "tests.postgresql", *again),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )
        sqlite = subprocess.Popen(pytest, env={**os.environ, OTHER_RUN: str(said)})
        # Ctrl-C reaches all three; this one waits for the others.
        signal.signal(signal.SIGINT, lambda _number, _frame: None)
        signal.signal(signal.SIGTERM, lambda number, _frame: sqlite.send_signal(number))
        codes = sqlite.wait(), postgresql.wait()
    return next((code if code > 0 else 1 for code in codes if code), 0)


if __name__ == "__main__":
    sys.exit(main())
