"""Which page holds what, and whether it still does."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from handbook import configuration, decisions, rooms
from handbook.regions import Parts, filled, names

PARTS: Final[Parts] = {
    "keys": configuration.keys,
    "upstream-options": configuration.upstream_options,
    "ignored-keys": configuration.ignored_keys,
    "decisions": decisions.index,
}

#: Files that are made whole.
FILES: Final = {"docs/pictures/rooms.svg": rooms.picture}


def old(root: Path) -> dict[Path, str]:
    """What of docs/ says something else than the code, with what it should say."""
    found = {}
    for page in sorted((root / "docs").rglob("*.md")):
        text = page.read_text("utf-8")
        if names(text) and (fresh := filled(text, PARTS)) != text:
            found[page] = fresh
    for name, make in FILES.items():
        file, text = root / name, make()
        if not file.exists() or file.read_text("utf-8") != text:
            found[file] = text
    return found
