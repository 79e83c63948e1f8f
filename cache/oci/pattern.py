"""Patterns for the names of repositories and tags, as operators write them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

LONGEST_PATTERN = 255

_ALLOWED = re.compile(r"[A-Za-z0-9._/:*?-]+")
_WORD = re.compile(r"\*\*/|\*\*|\*|\?|[^*?]+")
_MEANINGS = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}


@dataclass(frozen=True, slots=True)
class Pattern:
    """`*` stands for any characters but `/`, `**` for any at all, `?` for one that is no `/`.

    `**/` may also stand for nothing: `**/base` fits `base` and `a/b/base`. All else stands for
    itself, and a pattern fits a text as a whole.
    """

    text: str
    _expression: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """ValueError if the text is no pattern for names."""
        if len(self.text) > LONGEST_PATTERN or not _ALLOWED.fullmatch(self.text):
            raise ValueError("not a pattern")
        expression = "".join(
            _MEANINGS.get(word) or re.escape(word) for word in _WORD.findall(self.text)
        )
        object.__setattr__(self, "_expression", re.compile(expression))

    def fits(self, text: str) -> bool:
        return self._expression.fullmatch(text) is not None

    def __str__(self) -> str:
        return self.text
