"""The programs that the end-to-end tests drive, and what becomes of a test without them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping


def require(*commands: str, environment: Mapping[str, str] = os.environ) -> None:
    """Skip the test if one of the commands is missing; fail it where CI=true.

    The reason names every missing command. `install_parts.sh` installs them on Debian.
    """
    path = search_path(environment)
    missing = [name for name in commands if shutil.which(name, path=path) is None]
    if missing:
        _unless_in_ci(f"not installed: {', '.join(missing)}", environment)


def require_root(environment: Mapping[str, str] = os.environ, *, uid: int | None = None) -> None:
    """Skip the test for users who may not mount and start containers; fail it where CI=true."""
    if (os.geteuid() if uid is None else uid) != 0:
        _unless_in_ci("needs root, to mount and to start containers", environment)


def search_path(environment: Mapping[str, str] = os.environ) -> str:
    """Where the parts are: also in the system's folders, which a user's PATH may leave out.

    Debian keeps the programs of each version of PostgreSQL's server in a folder of their own.
    """
    servers = sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")), reverse=True)
    return os.pathsep.join((environment["PATH"], "/usr/sbin", "/sbin", *servers))


def _unless_in_ci(reason: str, environment: Mapping[str, str]) -> None:
    if environment.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
