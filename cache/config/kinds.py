"""The kinds of keys that a configuration has, with what each key means to whoever writes it.

docs/configuration.md is made of them, see the package `handbook`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Ignored:
    """A key of distribution's that means nothing here; `answer` says why, or what to do instead."""

    answer: str


@dataclass(frozen=True, slots=True)
class Text:
    """A key whose value is one scalar.

    `meaning` is for the operator, in Markdown. `otherwise` says what holds without the key, and
    `allowed` which values it takes, where the default's own value and the reader's own refusal do
    not say it well enough.
    """

    meaning: str = ""
    otherwise: str = ""
    allowed: str = ""


@dataclass(frozen=True, slots=True)
class ListOf:
    """With `lone`, a value that is no list stands for one of it. `least` is how many it needs."""

    item: Key
    lone: bool = False
    least: int = 0


@dataclass(frozen=True, slots=True)
class MapOf:
    """A mapping whose keys the operator chooses. With `lone`, a single value may stand there."""

    item: Key
    lone: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """A mapping with known keys. With `shorthand`, a lone word stands for that key, empty."""

    keys: Mapping[str, Key]
    shorthand: bool = False


Key: TypeAlias = "Ignored | Text | ListOf | MapOf | Section"


def one_or_more(meaning: str, otherwise: str = "none", least: int = 0) -> ListOf:
    """A list, or a single value in its place."""
    return ListOf(Text(meaning, otherwise), lone=True, least=least)


#: A key that has not been explained: the tests of the docs ask for it.
TEXT: Final = Text()
