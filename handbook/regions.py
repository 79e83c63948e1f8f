"""The parts of a page that are made, between marks in it; the rest of the page is written by hand.

A mark is a comment of Markdown, which no reader sees::

    <!-- made by `make docs`: options -->
    …
    <!-- end -->
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

_REGION = re.compile(
    r"(?P<begin><!-- made by `make docs`: (?P<name>[\w-]+) -->\n).*?(?P<end><!-- end -->)",
    re.DOTALL,
)

Parts = Mapping[str, Callable[[], str]]


class UnknownRegion(Exception):
    """A page asks for a part that nobody makes; the message is a sentence."""


def names(text: str) -> list[str]:
    """The parts that the page asks for, in order."""
    return [found["name"] for found in _REGION.finditer(text)]


def filled(text: str, parts: Parts) -> str:
    """The page with every part made anew; raises UnknownRegion."""

    def fill(found: re.Match[str]) -> str:
        make = parts.get(found["name"])
        if make is None:
            known = ", ".join(sorted(parts))
            raise UnknownRegion(f"nobody makes {found['name']!r}; there is {known}")
        return f"{found['begin']}\n{make().strip()}\n\n{found['end']}"

    return _REGION.sub(fill, text)
