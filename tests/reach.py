"""What a test makes use of, wherever among the tests that is written down.

Read from the source, so that it is known at collection: from a test and its fixtures on to the
functions, classes and values of the tests' files that they name, and from these to what those name.
Annotations do not count: who gets a thing has it from a fixture, or from a helper that makes it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import chain
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

_BROWSER = "playwright"

#: Modules by which programs are started.
_STARTING = frozenset({"subprocess", "multiprocessing", _BROWSER, "pty"})

#: What the tests name it by, wherever they start it.
_MIRROR = "manage.py"


@dataclass(frozen=True, slots=True)
class Reach:
    """The libraries and the texts that something has to do with."""

    modules: frozenset[str]
    texts: frozenset[str]

    @property
    def starts_programs(self) -> bool:
        return not _STARTING.isdisjoint(self.modules)

    @property
    def drives_a_browser(self) -> bool:
        return _BROWSER in self.modules

    @property
    def starts_a_mirror(self) -> bool:
        return self.starts_programs and _MIRROR in self.texts


def of_test(item: pytest.Function) -> Reach:
    """What the test and all its fixtures reach."""
    fixtures = [one.func for each in item._fixtureinfo.name2fixturedefs.values() for one in each]
    found = [of_name(f"{one.__module__}.{one.__qualname__}") for one in (item.function, *fixtures)]
    return Reach(
        frozenset[str]().union(*(one.modules for one in found)),
        frozenset[str]().union(*(one.texts for one in found)),
    )


@cache
def of_name(name: str) -> Reach:
    """What is reached from `tests.room.file.thing`, or from anywhere in `tests.room.file`."""
    seen, ahead = set[str](), [name]
    modules, texts = set[str](), set[str]()
    while ahead:
        name = ahead.pop()
        if name in seen:
            continue
        seen.add(name)
        if name.partition(".")[0] == "tests":
            named, said = _at(name)
            ahead += named
            texts |= said
        else:
            modules.add(name.partition(".")[0])
    return Reach(frozenset(modules), frozenset(texts))


@dataclass(frozen=True, slots=True)
class _File:
    """What stands in it under each name, and what each name that it imports means."""

    stands: dict[str, list[ast.stmt]]
    means: dict[str, str]


@cache
def _at(name: str) -> tuple[list[str], set[str]]:
    """The full names, and the texts, that stand in a file or under one name of it."""
    place, file, thing = _found(name)
    if file is None:
        return [], set()
    if thing and thing not in file.stands:
        # Handed on from where the file has it from.
        return [file.means[thing]] if thing in file.means else [], set()
    statements = file.stands[thing] if thing else [*chain(*file.stands.values())]
    nodes, names = [], set[str]()
    for node, name in chain.from_iterable(map(_nodes, statements)):
        names.add(name)
        nodes.append(node)
    means = {own: f"{place}.{own}" for own in file.stands} | file.means | _imported(nodes)
    named = [
        f"{means[first]}.{rest}" if rest else means[first]
        for first, _, rest in (name.partition(".") for name in names)
        if first in means
    ]
    texts = {node.value for node in nodes if isinstance(node, ast.Constant)}
    return named, {text for text in texts if isinstance(text, str)}


def _found(name: str) -> tuple[str, _File | None, str]:
    """The module, its file, and the first name in it that comes after."""
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        place = ".".join(parts[:end])
        if (file := _read(place)) is not None:
            return place, file, "".join(parts[end : end + 1])
    return "", None, ""


@cache
def _read(module: str) -> _File | None:
    path = ROOT.joinpath(*module.split("."))
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    if not path.is_file():
        return None
    tree = ast.parse(path.read_text("utf-8"))
    stands: dict[str, list[ast.stmt]] = {}
    for statement in tree.body:
        for own in _own_names(statement):
            stands.setdefault(own, []).append(statement)
    outside = (node for each in tree.body if not _is_code(each) for node in ast.walk(each))
    return _File(stands, _imported(outside))


def _is_code(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)


def _own_names(statement: ast.stmt) -> Iterator[str]:
    """What a statement at the top of a file gives a value."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield statement.name
        return
    for node in ast.walk(statement):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


def _nodes(statement: ast.AST) -> Iterator[tuple[ast.AST, str]]:
    """All below with its dotted name, but annotations, and of `a.b` not `a` once more."""
    ahead = [statement]
    while ahead:
        node = ahead.pop()
        dotted = _dotted(node)
        yield node, dotted
        if not dotted:
            ahead += [
                child
                for name, value in ast.iter_fields(node)
                if name not in {"annotation", "returns"}
                for child in (value if isinstance(value, list) else (value,))
                if isinstance(child, ast.AST)
            ]


def _dotted(node: ast.AST) -> str:
    """`a.b` for just this; empty for anything else."""
    if isinstance(node, ast.Attribute):
        before = _dotted(node.value)
        return f"{before}.{node.attr}" if before else ""
    return node.id if isinstance(node, ast.Name) else ""


def _imported(nodes: Iterable[ast.AST]) -> dict[str, str]:
    """What the names mean that the statements among these import."""
    means: dict[str, str] = {}
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                bound = alias.asname or alias.name.partition(".")[0]
                means[bound] = alias.name if alias.asname else bound
        elif isinstance(node, ast.ImportFrom) and node.module:
            means |= {one.asname or one.name: f"{node.module}.{one.name}" for one in node.names}
    return means
