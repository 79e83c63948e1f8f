"""What the sources say so far: one value per key, and all that is wrong with them."""

from __future__ import annotations

from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING, TypeVar

from cache.config.document import DocumentError, Node, Scalar, parse
from cache.config.keys import SCHEMA
from cache.config.kinds import Ignored, ListOf, MapOf, Section, Text
from cache.config.values import Refused
from cache.oci.errors import quote

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cache.config.kinds import Key

T = TypeVar("T")
Path = tuple[str, ...]

HIDDEN = "a value that is not shown"
_SECRET_WORDS = ("password", "secret")


@dataclass(frozen=True, slots=True)
class Found:
    """A scalar and where it was found: the file's name or the variable's."""

    value: Scalar
    source: str


@dataclass(slots=True)
class Answers:
    """What all sources say, one scalar per path, and what is wrong with them so far.

    `entries` are the sections that the operator named, empty ones too, and where they stand.
    """

    found: dict[Path, Found] = field(default_factory=dict)
    entries: dict[Path, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def take(self, key: str | Path, read: Callable[[Scalar], T], default: T) -> T:
        """The value of a dotted key, or `default` when it is absent, empty or (reported) wrong."""
        path = tuple(key.split(".")) if isinstance(key, str) else key
        if not self.is_set(path):
            return default
        try:
            return read(self.found[path].value)
        except Refused as refused:
            self.refuse(path, refused)
            return default

    def take_list(self, path: Path, read: Callable[[Scalar], T]) -> tuple[T, ...]:
        """The items directly under `path`, without the wrong ones (reported)."""
        items = []
        for each in self.under(path):
            try:
                items.append(read(self.found[each].value))
            except Refused as refused:
                self.refuse(each, refused)
        return tuple(items)

    def under(self, path: Path) -> list[Path]:
        return [each for each in self.found if each[: len(path)] == path and each != path]

    def is_set(self, path: Path) -> bool:
        return path in self.found and bool(self.found[path].value.text)

    def forget(self, path: Path) -> None:
        """What was said of `path` and of all that is under it."""
        for held in (self.found, self.entries):
            for each in [each for each in held if each[: len(path)] == path]:
                del held[each]

    def refuse(self, path: Path, refused: Refused) -> None:
        """Report the value at `path`."""
        held = self.found[path]
        shown = HIDDEN if _is_secret(path) else refused.found or quote(held.value.text)
        self.problem(held.source, path, shown, refused.allowed)

    def problem(self, source: str, path: Path, found: str, allowed: str) -> None:
        where = f"{source}: {dotted(path)}" if path else source
        self.problems.append(f"{where}: found {found}; allowed {allowed}")

    def place(self, path: Path, key: Key, node: Node, source: str) -> None:
        """Take in the value of one key and all that is under it. A null says nothing."""
        if node is None:
            return
        match key, node:
            case Ignored(), _:
                self.warnings.append(f"{source}: {dotted(path)}: ignored: {key.answer}")
            case ((Text() | MapOf(lone=True)), Scalar()):
                self.found[path] = Found(node, source)
            case ListOf(lone=True), Scalar():
                self.place_list(path, key, [node], source)
            case ListOf(), list():
                self.place_list(path, key, node, source)
            case MapOf(), dict():
                self.place_map(path, key, node, source)
            case Section(), dict():
                self.place_section(path, key, node, source)
            case Section(shorthand=True), Scalar():
                self.place_section(path, key, {node.text: {}}, source)
            case _:
                self.problem(source, path, _kind(node), allowed_by(key))

    def place_list(self, path: Path, key: ListOf, items: list[Node], source: str) -> None:
        if sum(item is not None for item in items) < key.least:
            self.problem(source, path, "a list with nothing in it", allowed_by(key))
        for index, item in enumerate(items):
            self.place((*path, str(index)), key.item, item, source)

    def place_map(self, path: Path, key: MapOf, node: Mapping[str, Node], source: str) -> None:
        for name, item in node.items():
            value = item
            if isinstance(key.item, Section):
                self.entries[(*path, name)] = source
                value = {} if item is None else item
            self.place((*path, name), key.item, value, source)

    def place_section(
        self, path: Path, section: Section, node: Mapping[str, Node], source: str
    ) -> None:
        for name, inner in node.items():
            if name in section.keys:
                # An ignored key counts when it stands there with nothing after it, too.
                known = section.keys[name]
                value = {} if inner is None and isinstance(known, Ignored) else inner
                self.place((*path, name), known, value, source)
            else:
                self.problem(source, (*path, name), "an unknown key", _known(section, name))


def read_text(answers: Answers, content: str, source: str) -> None:
    """Take in a configuration file."""
    try:
        node = parse(content)
    except DocumentError as error:
        answers.problems.append(f"{source}: {error}")
        return
    answers.place((), SCHEMA, node, source)


def dotted(path: Path) -> str:
    """The key as a reader writes it; names from outside are kept on one line, and bounded."""
    return ".".join(
        name if name.isascii() and name.isprintable() else quote(name) for name in path
    )[:200]


def _is_secret(path: Path) -> bool:
    # The registry secret.example has no secret in its name.
    names = path[:1] + path[2:] if path[0] == "upstreams" else path
    if names[-1] == "token":
        return True
    return any(word in name for name in names for word in _SECRET_WORDS)


def _kind(node: Node) -> str:
    """What stands where something of another shape belongs; its text might hold a secret."""
    if isinstance(node, Scalar):
        return "a single value"
    return "a list" if isinstance(node, list) else "a mapping"


def allowed_by(key: Key) -> str:
    match key:
        case Section():
            return f"a mapping of {', '.join(sorted(key.keys))}"
        case MapOf(item=Section()):
            return "a mapping of registries, such as ghcr.io, to what is set for them"
        case MapOf():
            return f"{'a single value or ' * key.lone}a mapping of names to values"
        case ListOf(least=0):
            return f"{'a single value or ' * key.lone}a list"
        case ListOf():
            return f"at least {key.least} value, or no such key"
        case _:
            return "a single value"


def _known(section: Section, name: str) -> str:
    close = get_close_matches(name.lower()[:40], section.keys, n=1)
    names = ", ".join(sorted(section.keys))
    return f"{close[0]} (did you mean that?)" if close else names
