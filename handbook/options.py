"""Every option of the configuration, with what can be said of it.

What a key means stands in `cache.config.keys`, or else in the docstring of the value it becomes.
Which values it takes is what the reader itself answers to values that are impossible. A default is
the one that `load` gives, written so that `load` reads the same from it. A key that is added there
is here without more.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, is_dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

from cache.config import Address, Config, ConfigError, Reserve, load
from cache.config.keys import SCHEMA
from cache.config.kinds import Ignored, Key, ListOf, MapOf, Section, Text
from cache.freshness import Windows

KeyPath = tuple[str, ...]

#: Stands for the names that the operator chooses; the examples name this registry.
NAME = "NAME"
REGISTRY = "ghcr.io"

#: Values that hardly any reader takes, for what each answers.
_IMPOSSIBLE = ("\x01", "1us", "1000000h", "100%", "1B", "/nonexistent")
_SHAPES = {
    "text": "{}",
    "list": "a list, each {}",
    "one or more": "one or a list, each {}",
    "map": "names and values, each {}",
    "one or by name": "{}, or names and such values",
    "lists": "names and lists of values, each {}",
}
_PLAIN = {"true": True, "false": False}
_NO_ANSWER = "a text without control characters"
_BOUNDED = re.compile(r"\bfrom\b.+\bto\b|\b(?:of|or) at least\b")
_ENTRY = re.compile(r"^(?P<names>\w+(?:, \w+)*): (?P<meaning>.+)$", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Option:
    """A key whose value is, or is made of, scalars; `kind` is one of `_SHAPES`."""

    path: KeyPath
    kind: str
    text: Text

    @property
    def key(self) -> str:
        return ".".join(self.path)

    @property
    def variable(self) -> str:
        """The environment's variable that sets it; NAME stays to be replaced."""
        return f"REGISTRY_{'_'.join(self.path).upper()}"

    @property
    def meaning(self) -> str:
        return self.text.meaning or _from_docstring(self.path)

    def document(self, value: str) -> str:
        """A configuration that says nothing but this."""
        plain: Any = _PLAIN.get(value, value)
        inner: Any = {
            "list": [plain],
            "one or more": [plain],
            "map": {"default": plain},
            "lists": {"default": [plain]},
        }.get(self.kind, plain)
        for name in reversed(self.path):
            inner = {REGISTRY if name == NAME else name: inner}
        if self.path[:2] == ("retention", "upstreams"):
            inner["upstreams"] = {REGISTRY: {}}
        return json.dumps(inner)

    @property
    def allowed(self) -> str:
        """Which values it takes."""
        return _SHAPES[self.kind].format(self.text.allowed or self._told())

    def _told(self) -> str:
        answers = list(dict.fromkeys(self._answers()))
        told = [answer for answer in answers if answer != _NO_ANSWER]
        if not told:
            return "a text"
        bounded = [answer for answer in told if _BOUNDED.search(answer)]
        least = [answer for answer in told if answer.startswith("at least")]
        return bounded[-1] if bounded else "; ".join([told[0], *least])

    def _answers(self) -> Iterator[str]:
        key = ".".join(REGISTRY if name == NAME else name for name in self.path)
        named = re.compile(rf": {re.escape(key)}(?:\.\w+)*: found")
        for value in _IMPOSSIBLE:
            try:
                read(self.document(value))
            except ConfigError as error:
                for problem in error.problems:
                    if named.search(problem):
                        answer = problem.partition("; allowed ")[2]
                        yield re.sub(r" \([A-Z].*\)$", "", answer)

    @property
    def default(self) -> str | None:
        """What to write for what holds without it; None where that cannot be written."""
        found = _value(self.path)
        if found is None:
            return None
        for written in _writings(found[1]):
            try:
                if read(self.document(written)) == read(self.document("")):
                    return written
            except ConfigError:
                continue
        return None

    @property
    def otherwise(self) -> str:
        """What holds without it, in Markdown."""
        default = self.default
        return self.text.otherwise or (f"`{default}`" if default else "none")


def options() -> Iterator[Option]:
    """Every option; those of an upstream once, under `proxy`."""
    for path, key in _keys(SCHEMA):
        if path[0] != "upstreams" and not isinstance(key, Ignored):
            yield _option(path, key)


def ignored() -> Iterator[tuple[str, str]]:
    """The keys that mean nothing here, and why."""
    for path, key in _keys(SCHEMA):
        if isinstance(key, Ignored):
            yield ".".join(path), key.answer


def _keys(key: Key, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Key]]:
    match key:
        case Section():
            for name, inner in key.keys.items():
                yield from _keys(inner, (*path, name))
        case MapOf(item=Section()):
            yield from _keys(key.item, (*path, NAME))
        case _:
            yield path, key


def _option(path: KeyPath, key: Key) -> Option:
    match key:
        case ListOf(item=Text() as text):
            return Option(path, "one or more" if key.lone else "list", text)
        case MapOf(item=Text() as text):
            return Option(path, "one or by name" if key.lone else "map", text)
        case MapOf(item=ListOf(item=Text() as text)):
            return Option(path, "lists", text)
        case Text() as text:
            return Option(path, "text", text)
        case _:
            raise TypeError(f"{'.'.join(path)}: no page can show such a key yet")


@cache
def read(document: str) -> Config:
    """The configuration that a document says."""
    with tempfile.NamedTemporaryFile("w", suffix=".yml", encoding="utf-8") as file:
        file.write(document)
        file.flush()
        return load(Path(file.name), {})


def _value(path: KeyPath) -> tuple[Any, Any] | None:
    """Whose field the key becomes, and what is in it without the key."""
    held: Any = Config(storage=read("").storage)
    for number, name in enumerate(path):
        joined = "_".join(path[number:])
        if is_dataclass(held) and hasattr(held, joined):
            return held, getattr(held, joined)
        if not hasattr(held, name):
            return None
        held = getattr(held, name)
    return None


def _writings(value: Any) -> list[str]:
    """How a value might be written in a file; which one is right, reading it tells."""
    match value:
        case bool():
            return [str(value).lower()]
        case int():
            return [str(value), f"{value / 1024**2:g}MiB"]
        case float():
            return [f"{value:.0%}"]
        case timedelta():
            return [duration(value)]
        case Windows():
            return _writings(value.default)
        case Reserve():
            return [f"{value.share:.0%}"]
        case str() | Address():
            return [str(value)] if str(value) else []
        case _:
            return []


def duration(value: timedelta) -> str:
    """As Go writes it, in its largest unit: `168h`."""
    seconds = value.total_seconds()
    if seconds and seconds % 3600 == 0:
        return f"{seconds / 3600:g}h"
    if seconds > 60 and seconds % 60 == 0:
        return f"{seconds / 60:g}m"
    return f"{seconds:g}s"


def _from_docstring(path: KeyPath) -> str:
    """What the docstring of the key's dataclass says of it, in an entry `name: meaning.`"""
    found = _value(path)
    if found is None:
        return ""
    lines = re.sub(r"\n +(?=\S)(?!\w+(?:, \w+)*: )", " ", type(found[0]).__doc__ or "")
    for line in lines.splitlines():
        entry = _ENTRY.match(line.strip())
        if entry and path[-1] in entry["names"].split(", "):
            return entry["meaning"].rstrip(".")
    return ""
