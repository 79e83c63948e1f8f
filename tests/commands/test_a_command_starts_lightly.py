"""A command loads nothing at its start that is heavy and that it has no use for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands.shell import environ_of
from tests.e2e.mirror import PROJECT
from tests.e2e.processes import PATIENCE

#: The pages of the dashboard with the site around them, PostgreSQL's library, the HTTP client.
PAGES, POSTGRESQL, HTTP = "dashboard.views", "psycopg", "httpx"

#: As manage.py does, and what of the named modules is loaded then.
RUN = """
import sys
import manage
heavy, sys.argv = sys.argv[1].split(","), ["manage.py", *sys.argv[2:]]
try:
    manage.main()
finally:
    sys.stderr.write(f"loaded: {sorted(sys.modules.keys() & heavy)}")
"""


@pytest.mark.one_database
@pytest.mark.parametrize(
    ("command", "without"),
    [
        (("client_config", "docker"), (PAGES, POSTGRESQL, HTTP)),
        (("user", "--help"), (PAGES, POSTGRESQL, HTTP)),
        (("du", "--help"), (PAGES, POSTGRESQL)),
        (("serve", "--help"), (PAGES, POSTGRESQL)),
    ],
)
def test_it_does_without(
    command: tuple[str, ...], without: tuple[str, ...], tmp_path: Path
) -> None:
    ended = subprocess.run(
        (sys.executable, "-c", RUN, ",".join(without), *command),
        cwd=PROJECT,
        env=environ_of(tmp_path / "root", DATABASE_URL=""),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )

    assert ended.stderr.endswith("loaded: []"), ended.stderr
