"""YAML text into plain values, with bounds.

A scalar keeps the text that the operator wrote: the password 0123 is not the number 83, and
distribution, whose files these are, reads it the same way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import yaml

LARGEST_BYTES = 256 * 1024
DEEPEST = 32
MOST_NODES = 10_000

_TAG = "tag:yaml.org,2002:"
_MERGE = _TAG + "merge"
_NULL = _TAG + "null"
_COLLECTIONS = frozenset({_TAG + "map", _TAG + "seq"})
_SCALARS = frozenset(
    _TAG + kind for kind in ("str", "int", "float", "bool", "timestamp", "null", "value")
)


@dataclass(frozen=True, slots=True)
class Scalar:
    """One value as written; `kind` is what YAML 1.1 takes it for: `str`, `int`, `bool`, ..."""

    text: str
    kind: str = "str"


Node: TypeAlias = "Scalar | list[Node] | dict[str, Node] | None"


class DocumentError(Exception):
    """The text is not a YAML document that can be read; the message is one line."""


def parse(text: str) -> Node:
    """The value of a document with at most one root; None for an empty one or a null.

    Bounded in depth and, aliases counted as often as they are used, in size. Raises
    DocumentError, also for a key that is given twice and for tags beyond YAML's own scalars.
    """
    try:
        _check_depth(text)
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark: Any = error.problem_mark or error.context_mark
        raise DocumentError(_at(mark, error.problem or error.context or "not YAML")) from None
    except yaml.YAMLError as error:
        raise DocumentError(f"not YAML: {' '.join(str(error).split())}") from None
    except (ValueError, OverflowError) as error:
        # The scanner lets a few of its own conversions fail, as that of "\Uffffffff".
        raise DocumentError(f"not YAML: {error}") from None
    return None if root is None else _Builder().value(root, 0)


def _check_depth(text: str) -> None:
    """Refuse deep nesting before the composer, which recurses, meets it."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > DEEPEST:
                raise DocumentError(_at(event.start_mark, f"nested deeper than {DEEPEST} levels"))
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


class _Builder:
    """Turns composed nodes into values, counting them: aliases make a small text large."""

    def __init__(self) -> None:
        self.left = MOST_NODES

    def value(self, node: yaml.Node, depth: int) -> Node:
        self.left -= 1
        if self.left < 0 or depth > DEEPEST:
            raise DocumentError(_at(node.start_mark, "too large once its aliases are followed"))
        if isinstance(node, yaml.ScalarNode):
            return self.scalar(node)
        if node.tag not in _COLLECTIONS:
            raise _unknown_tag(node)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, depth + 1) for item in node.value]
        return self.mapping(node, depth)

    def scalar(self, node: yaml.ScalarNode) -> Scalar | None:
        if node.tag not in _SCALARS:
            raise _unknown_tag(node)
        if node.tag == _NULL:
            return None
        return Scalar(node.value, node.tag.removeprefix(_TAG))

    def mapping(self, node: yaml.Node, depth: int) -> dict[str, Node]:
        own: dict[str, Node] = {}
        merged: dict[str, Node] = {}
        for key, value in node.value:
            if key.tag == _MERGE:
                self.merge(merged, key, self.value(value, depth + 1))
                continue
            name = self.value(key, depth + 1)
            if not isinstance(name, Scalar):
                raise DocumentError(_at(key.start_mark, "a key must be a word"))
            if name.text in own:
                raise DocumentError(
                    _at(key.start_mark, f"the key {name.text!a:.60} is given twice")
                )
            own[name.text] = self.value(value, depth + 1)
        return merged | own

    def merge(self, merged: dict[str, Node], key: yaml.Node, value: Node) -> None:
        """Take in what `<<` names: a mapping, or several of which the first wins."""
        for each in value if isinstance(value, list) else [value]:
            if not isinstance(each, dict):
                raise DocumentError(_at(key.start_mark, "<< must name a mapping"))
            for name, inner in each.items():
                merged.setdefault(name, inner)


def _unknown_tag(node: yaml.Node) -> DocumentError:
    return DocumentError(_at(node.start_mark, f"the tag {ascii(node.tag)[:60]} means nothing here"))


def _at(mark: Any, problem: str) -> str:
    return problem if mark is None else f"line {mark.line + 1}, column {mark.column + 1}: {problem}"
