"""Patterns for the names of repositories and tags, as operators write them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

LONGEST_PATTERN = 255

_ALLOWED = re.compile(r"[A-Za-z0-9._/:*?-]+")
_WILD = re.compile(r"[*?]")
_WORD = re.compile(r"\*\*/|\*\*|.")


@dataclass(frozen=True, slots=True)
class Pattern:
    """`*` stands for any characters but `/`, `**` for any at all, `?` for one that is no `/`.

    `**/` may also stand for nothing: `**/base` fits `base` and `a/b/base`. All else stands for
    itself, and a pattern fits a text as a whole.
    """

    text: str
    _words: tuple[str, ...] = field(init=False, repr=False, compare=False)
    #: What stands before the first star or question mark.
    _head: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """ValueError if the text is no pattern for names."""
        if len(self.text) > LONGEST_PATTERN or not _ALLOWED.fullmatch(self.text):
            raise ValueError("not a pattern")
        object.__setattr__(self, "_words", tuple(_WORD.findall(self.text)))
        object.__setattr__(self, "_head", _WILD.split(self.text, maxsplit=1)[0])

    def fits(self, text: str) -> bool:
        """In a time that grows with both lengths, whatever the pattern."""
        # Most texts do not begin as the pattern does, and most patterns are plain names.
        if not text.startswith(self._head):
            return False
        if len(self._head) == len(self.text):
            return len(text) == len(self.text)
        # Bit n of a number stands for the place before the text's character n. What all words so
        # far can have come to is a set of places, and each word moves that set as a whole: there
        # is nothing to go back to, which takes a regular expression of many stars for ever.
        where: dict[str, int] = {}
        for index, character in enumerate(text):
            where[character] = where.get(character, 0) | 1 << index
        end = 1 << len(text)
        slashes = where.get("/", 0)
        others = end - 1 - slashes
        places = 1
        for word in self._words:
            if word == "?":
                places = (places & others) << 1
            elif word == "*":
                # Adding carries each place to the end of the run of characters that it is in.
                places |= ((places & others) + others) ^ others
            elif word == "**":
                places = _from_the_first(places) & (2 * end - 1)
            elif word == "**/":
                places |= (slashes & _from_the_first(places)) << 1
            else:
                places = (places & where.get(word, 0)) << 1
            if not places:
                return False
        return bool(places & end)

    def __str__(self) -> str:
        return self.text


def _from_the_first(places: int) -> int:
    """All places from the first one on, without an end (a negative number)."""
    return -(places & -places)
