"""`python -m tests.both_databases` runs the tests on PostgreSQL and on SQLite, side by side.

They wait for processes and clients more than they compute, so that the two together take little
longer than one. What is said of SQLite, which has all tests, is shown as it comes. What PostgreSQL
adds is kept meanwhile, and shown before the last lines: see :mod:`tests.conftest`.

What drives real clients (`e2e`) is most of the time, and runs once here: browsers on PostgreSQL, as
pages ask a database the most, all others on SQLite. What reaches the database by them has tests of
its own in both runs. `make test-postgresql` has all.
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

#: Which tests run where, by their marks.
POSTGRESQL = "browser or not e2e"
SQLITE = "not browser"


def main() -> int:
    """Run both; 0 if both were content."""
    pytest = (sys.executable, "-m", "pytest", *sys.argv[1:], "-m")
    server = (sys.executable, "-m", "tests.postgresql")
    with tempfile.TemporaryDirectory(prefix="mirrorsite-tests-") as folder:
        said = Path(folder) / "on-postgresql.txt"
        with said.open("wb") as output:
            postgresql = subprocess.Popen(
                (*("flock", "--no-fork", said), *server, *pytest, POSTGRESQL),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )
        sqlite = subprocess.Popen((*pytest, SQLITE), env={**os.environ, OTHER_RUN: str(said)})
        # Ctrl-C reaches all three; this one waits for the others.
        signal.signal(signal.SIGINT, lambda _number, _frame: None)
        signal.signal(signal.SIGTERM, lambda number, _frame: sqlite.send_signal(number))
        codes = sqlite.wait(), postgresql.wait()
    return next((code if code > 0 else 1 for code in codes if code), 0)


if __name__ == "__main__":
    sys.exit(main())
