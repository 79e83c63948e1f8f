"""The index of docs/decisions/."""

from __future__ import annotations

import re
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "decisions"


def index() -> str:
    """A line for each, by number, with its title."""
    return "\n".join(
        f"- [{page.name[:4]}]({page.name}): {_title(page)}"
        for page in sorted(FOLDER.glob("[0-9][0-9][0-9][0-9]-*.md"))
    )


def _title(page: Path) -> str:
    first = page.read_text("utf-8").partition("\n")[0].removeprefix("# ")
    return re.sub(r"^\d+\. ", "", first)
