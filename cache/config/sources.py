"""Where the values stand: a YAML file, and environment variables that override its keys."""

from __future__ import annotations

from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING, TypeVar

from cache.config.document import DocumentError, Node, Scalar, parse
from cache.config.keys import SCHEMA, Ignored, ListOf, MapOf, Section, Text
from cache.config.values import Refused
from cache.oci.errors import quote

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cache.config.keys import Key

T = TypeVar("T")
Path = tuple[str, ...]

PREFIX = "REGISTRY_"
MOST_WORDS_OF_A_KEY = 3
HIDDEN = "a value that is not shown"
_SECRET_WORDS = ("password", "secret")
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})


@dataclass(frozen=True, slots=True)
class Found:
    """A scalar and where it was found: the file's name or the variable's."""

    value: Scalar
    source: str


@dataclass(slots=True)
class Answers:
    """What all sources say, one scalar per path, and what is wrong with them so far."""

    found: dict[Path, Found] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def take(self, key: str, read: Callable[[Scalar], T], default: T) -> T:
        """The value of a dotted key, or `default` when it is absent, empty or (reported) wrong."""
        path = tuple(key.split("."))
        if path not in self.found or not self.found[path].value.text:
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
            case Text(), Scalar():
                self.found[path] = Found(node, source)
            case ListOf(), list():
                for index, item in enumerate(node):
                    self.place((*path, str(index)), key.item, item, source)
            case MapOf(), dict():
                for name, item in node.items():
                    self.place((*path, name), key.item, item, source)
            case Section(), dict():
                self.place_section(path, key, node, source)
            case Section(shorthand=True), Scalar():
                self.place_section(path, key, {node.text: {}}, source)
            case _:
                self.problem(source, path, _kind(node), _allowed(key))

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


def read_environment(answers: Answers, environ: Mapping[str, str]) -> None:
    """Take in every `REGISTRY_...` variable, `_` between the levels, values in YAML.

    In the order of their names, as distribution does, so that REGISTRY_HTTP_TLS (which replaces
    all that the file says there) comes before REGISTRY_HTTP_TLS_KEY.
    """
    for name in sorted(environ):
        if not name.startswith(PREFIX):
            continue
        located = _locate(answers, name)
        if located is not None:
            _override(answers, *located, environ[name], name)


def _locate(answers: Answers, name: str) -> tuple[Path, Key] | None:
    """The path and key that a variable means; None when it means none (which is a warning)."""
    if name == "REGISTRY_CONFIGURATION_PATH":
        answers.warnings.append(f"{name}: ignored: MIRROR_CONFIG names the configuration file")
        return None
    path: Path = ()
    key: Key = SCHEMA
    words = name.removeprefix(PREFIX).split("_")
    while words and not isinstance(key, Ignored):
        step = _step(answers, path, key, words)
        if step is None:
            answers.warnings.append(f"{name}: ignored: it names no known key")
            return None
        path, key, words = step
    return path, key


def _step(
    answers: Answers, path: Path, key: Key, words: list[str]
) -> tuple[Path, Key, list[str]] | None:
    word = words[0].lower()
    if isinstance(key, Section):
        return _section_step(path, key, words)
    if isinstance(key, ListOf) and word.isascii() and word.isdigit():
        return (*path, str(int(word[:4]))), key.item, words[1:]
    if isinstance(key, MapOf):
        # A name may hold the separator, unless more levels follow it.
        rest = words[1:] if isinstance(key.item, ListOf) else []
        name = word if isinstance(key.item, ListOf) else "_".join(words).lower()
        for other in answers.under(path):
            if other[len(path)].lower() == name:
                name = other[len(path)]
        return (*path, name), key.item, rest
    return None


def _section_step(
    path: Path, section: Section, words: list[str]
) -> tuple[Path, Key, list[str]] | None:
    # The separator of the levels may also stand within a name, as in `http.idle_timeout`.
    for count in range(1, min(len(words), MOST_WORDS_OF_A_KEY) + 1):
        word = "_".join(words[:count]).lower()
        if word in section.keys:
            return (*path, word), section.keys[word], words[count:]
    return None


def _override(answers: Answers, path: Path, key: Key, value: str, source: str) -> None:
    """Put what a variable says in place of all that was said before at `path`."""
    if isinstance(key, Ignored):
        answers.place(path, key, Scalar(value), source)
        return
    try:
        node = parse(value)
    except DocumentError as error:
        node = None
        if not isinstance(key, Text):
            answers.problem(source, path, f"a value that is not YAML ({error})", _allowed(key))
            return
    # A password may begin with # or *: what is no YAML scalar is taken as it stands.
    if isinstance(key, Text) and not isinstance(node, Scalar) and value.strip() not in _NULLS:
        node = Scalar(value)
    for each in [path, *answers.under(path)]:
        answers.found.pop(each, None)
    answers.place(path, key, node, source)


def dotted(path: Path) -> str:
    """The key as a reader writes it; names from outside are kept on one line, and bounded."""
    return ".".join(
        name if name.isascii() and name.isprintable() else quote(name) for name in path
    )[:200]


def _is_secret(path: Path) -> bool:
    return any(word in name for name in path for word in _SECRET_WORDS)


def _kind(node: Node) -> str:
    """What stands where something of another shape belongs; its text might hold a secret."""
    if isinstance(node, Scalar):
        return "a single value"
    return "a list" if isinstance(node, list) else "a mapping"


def _allowed(key: Key) -> str:
    match key:
        case Section():
            return f"a mapping of {', '.join(sorted(key.keys))}"
        case MapOf():
            return "a mapping of names to values"
        case ListOf():
            return "a list"
        case _:
            return "a single value"


def _known(section: Section, name: str) -> str:
    close = get_close_matches(name.lower()[:40], section.keys, n=1)
    names = ", ".join(sorted(section.keys))
    return f"{close[0]} (did you mean that?)" if close else names
