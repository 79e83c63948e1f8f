"""Environment variables that override the keys of the file."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cache.config.document import DocumentError, Scalar, parse
from cache.config.keys import SCHEMA
from cache.config.kinds import Ignored, ListOf, MapOf, Section, Text
from cache.config.sources import Answers, Path, allowed_by, dotted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cache.config.kinds import Key

PREFIX = "REGISTRY_"
MOST_WORDS_OF_A_KEY = 3
MOST_WORDS = 200
_MOST_NAMES_SHOWN = 5
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_NOT_IN_A_VARIABLE = re.compile(r"[^a-z0-9]")


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
    words = name.removeprefix(PREFIX).split("_", MOST_WORDS)
    meant = dict(_meanings(answers, (), SCHEMA, words))
    if len(meant) > 1:
        keys = " and ".join(dotted(path) for path in meant)
        answers.problems.append(
            f"{name}: found a name that means {keys}; allowed one that means one: set it in the "
            "file, or in REGISTRY_UPSTREAMS"
        )
        return None
    if not meant:
        answers.warnings.append(f"{name}: ignored: {_unknown(answers, words)}")
        return None
    return next(iter(meant.items()))


def _meanings(
    answers: Answers, path: Path, key: Key, words: list[str]
) -> Iterator[tuple[Path, Key]]:
    """Every key that the words can lead to: `_` stands between levels, and within names too."""
    if not words or isinstance(key, Ignored):
        yield path, key
        return
    for step, inner, rest in _steps(answers, path, key, words):
        yield from _meanings(answers, (*path, step), inner, rest)


def _steps(
    answers: Answers, path: Path, key: Key, words: list[str]
) -> Iterator[tuple[str, Key, list[str]]]:
    word = words[0].lower()
    match key:
        case Section():
            for count in range(1, min(len(words), MOST_WORDS_OF_A_KEY) + 1):
                word = "_".join(words[:count]).lower()
                if word in key.keys:
                    yield word, key.keys[word], words[count:]
        case ListOf() if word.isascii() and word.isdigit():
            yield str(int(word[:4])), key.item, words[1:]
        case MapOf():
            yield from _names(answers, path, key, words)


def _names(
    answers: Answers, path: Path, key: MapOf, words: list[str]
) -> Iterator[tuple[str, Key, list[str]]]:
    """The names in a mapping that the words can begin with; a section must be there already."""
    lower = [word.lower() for word in words]
    if isinstance(key.item, Section):
        for name in _entries(answers, path):
            own = as_in_a_variable(name).split("_")
            if lower[: len(own)] == own:
                yield name, key.item, words[len(own) :]
        return
    # A name may hold the separator, unless more levels follow it.
    name, rest = "_".join(lower), []
    if isinstance(key.item, ListOf):
        name, rest = lower[0], words[1:]
    for other in answers.under(path):
        if other[len(path)].lower() == name:
            name = other[len(path)]
    yield name, key.item, rest


def as_in_a_variable(name: str) -> str:
    """An entry's name as variables spell it, but in lower case: `ghcr.io` is `ghcr_io`."""
    return _NOT_IN_A_VARIABLE.sub("_", name.lower())


def _entries(answers: Answers, path: Path) -> list[str]:
    return [each[-1] for each in answers.entries if each[:-1] == path]


def _unknown(answers: Answers, words: list[str]) -> str:
    """Why a variable means nothing: perhaps only the entry that it speaks of is not there."""
    item = SCHEMA.keys["upstreams"]
    if words[0] == "UPSTREAMS" and isinstance(item, MapOf):
        for count in range(2, len(words)):
            if any(_meanings(answers, (), item.item, words[count:])):
                own = [
                    f"{PREFIX}UPSTREAMS_{as_in_a_variable(name).upper()}_... for {dotted((name,))}"
                    for name in _entries(answers, ("upstreams",))[:_MOST_NAMES_SHOWN]
                ]
                known = f"; there is {', '.join(own)}" if own else ""
                return (
                    f"no entry of upstreams is spelled {dotted(('_'.join(words[1:count]),))} in a "
                    f"variable; the file or REGISTRY_UPSTREAMS must have it{known}"
                )
    return "it names no known key"


def _override(answers: Answers, path: Path, key: Key, value: str, source: str) -> None:
    """Put what a variable says in place of all that was said before at `path`."""
    if isinstance(key, Ignored):
        answers.place(path, key, Scalar(value), source)
        return
    try:
        node = parse(value)
    except DocumentError as error:
        node = None
        if not _may_be_single(key):
            found = f"a value that is not YAML ({error})"
            answers.problem(source, path, found, allowed_by(key))
            return
        # A pattern may begin with *, a password with # too: it is taken as it stands.
        node = Scalar(value)
    if isinstance(key, Text) and not isinstance(node, Scalar) and value.strip() not in _NULLS:
        node = Scalar(value)
    if isinstance(key, Text) and node is not None:
        # In its old place, as the rules of a mapping count in their order.
        answers.place(path, key, node, source)
        return
    is_entry = path in answers.entries
    answers.forget(path)
    if is_entry and node is not None:
        answers.entries[path] = source
    answers.place(path, key, node, source)


def _may_be_single(key: Key) -> bool:
    return isinstance(key, Text) or (isinstance(key, ListOf | MapOf) and key.lone)
