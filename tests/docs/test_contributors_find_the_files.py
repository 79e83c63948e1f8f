"""CONTRIBUTING names files and targets that there are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.architecture.house import ROOMS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
PATHS = sorted(set(re.findall(r"`((?:[\w.-]+/)+[\w.-]*|[\w-]+\.(?:py|md))`", PAGE)) - {"./data"})


@pytest.mark.parametrize("path", PATHS)
def test_a_named_file_is_there(path: str) -> None:
    if "/" in path:
        assert (ROOT / path).exists()
    else:
        assert list(ROOT.glob(f"tests/*/{path}")) or (ROOT / path).exists()


def test_enough_is_named_to_find_the_way() -> None:
    assert len(PATHS) > 30
    for thing in ("An option", "An error code", "A page", "A command", "A room"):
        assert f"**{thing}" in PAGE


def test_a_named_target_is_one() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"`make ([\w-]+)`", PAGE))
    assert {"serve", "test", "test-fast", "lint", "bench", "docs"} <= targets
    assert [each for each in targets if f"\n{each}:" not in makefile] == []


def test_every_folder_of_the_mirror_is_explained() -> None:
    """A newcomer looks for a place to change: every room that is a folder is in the table."""
    folders = [
        room.replace(".", "/")
        for room in ROOMS
        if (ROOT / room.replace(".", "/")).is_dir() and room not in {"cache", "cache.migrations"}
    ]
    assert [folder for folder in folders if f"`{folder}/" not in PAGE] == []
