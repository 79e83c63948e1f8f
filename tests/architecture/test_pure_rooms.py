"""Some rooms need no Django, no HTTP client, or nothing but Python: import them without."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# Imports the room and everything in it. A module that is None in sys.modules is unimportable.
IMPORT_ROOM = """
import importlib, pkgutil, sys
root, room, *missing = sys.argv[1:]
sys.path.insert(0, root)
sys.modules.update(dict.fromkeys(missing))
package = importlib.import_module(room)
for module in pkgutil.walk_packages(getattr(package, "__path__", []), f"{room}."):
    importlib.import_module(module.name)
"""


def import_room(room: str, *missing: str, options: str = "-I") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, options, "-c", IMPORT_ROOM, str(ROOT), room, *missing]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("room", ["cache.oci", "cache.freshness"])
def test_pure_rooms_need_the_standard_library_only(room: str) -> None:
    # -S leaves the installed packages out altogether.
    done = import_room(room, "django", "httpx", options="-IS")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("room", ["cache.oci", "cache.freshness", "cache.streaming"])
def test_these_rooms_need_no_django_and_no_http_client(room: str) -> None:
    done = import_room(room, "django", "ninja", "httpx")
    assert done.returncode == 0, done.stderr


def test_the_configuration_needs_no_django() -> None:
    done = import_room("cache.config", "django", "ninja")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("room", "options", "missing"),
    [("cache.apps", "-I", "django"), ("cache.upstream", "-I", "httpx"), ("yaml", "-IS", "x")],
)
def test_a_room_that_does_need_something_would_be_found(
    room: str, options: str, missing: str
) -> None:
    done = import_room(room, missing, options=options)
    assert done.returncode != 0
    assert "ModuleNotFoundError" in done.stderr
