"""Which page holds what, and whether it still does."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from handbook import configuration, decisions
from handbook.regions import Parts, filled, names

PARTS: Final[Parts] = {
    "keys": configuration.keys,
    "upstream-options": configuration.upstream_options,
    "ignored-keys": configuration.ignored_keys,
    "decisions": decisions.index,
}


def old(root: Path) -> dict[Path, str]:
    """The pages below docs/ that say something else than the code, with what they should say."""
    found = {}
    for page in sorted((root / "docs").rglob("*.md")):
        text = page.read_text("utf-8")
        if names(text) and (fresh := filled(text, PARTS)) != text:
            found[page] = fresh
    return found
