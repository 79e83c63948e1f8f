"""What the first start of a mirror takes its time for, done once and copied for each test's mirror.

These are the database's tables and the first user, whose password is hashed slowly: of a second's
work, nothing would be new.
"""

from __future__ import annotations

import atexit
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

from tests import database
from tests.e2e.processes import PATIENCE, environment

PROJECT = Path(__file__).parents[2]
FILE = "mirror.sqlite3"


def sow(root: Path) -> None:
    """Make the folder of a mirror that was started before, and has kept nothing."""
    root.mkdir(mode=0o700)
    if database.SERVER is None:
        shutil.copyfile(_sown() / FILE, root / FILE)
    else:
        database.copy(_sown(), root)


@cache
def _sown() -> Path:
    root = Path(tempfile.mkdtemp(prefix="mirrorsite-seed-"))
    atexit.register(shutil.rmtree, root)
    for command in (
        ("migrate", "--skip-checks", "--verbosity=0"),
        ("createsuperuser", "--skip-checks", "--no-input"),
    ):
        subprocess.run(
            (sys.executable, "manage.py", *command),
            cwd=PROJECT,
            env=environment(
                MIRROR_CONFIG="/dev/null",
                REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY=str(root),
                DJANGO_SUPERUSER_USERNAME="admin",
                DJANGO_SUPERUSER_EMAIL="admin@mirror.example",
                DJANGO_SUPERUSER_PASSWORD="nobody signs in with it",
            ),
            check=True,
            capture_output=True,
            timeout=2 * PATIENCE,
        )
    return root
