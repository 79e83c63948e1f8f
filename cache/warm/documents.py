"""The images that YAML documents name: compose files, Kubernetes manifests, custom resources."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from cache.warm.requests import Found, Skipped, Unreadable, judged

DEEPEST = 100
MOST_NODES = 2_000_000

# The parser in C is ten times as fast, which a file with all of an operator's definitions needs.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_COMPOSE_HINT = ": `docker compose config` prints the file with all of them filled in"


def images_in_documents(text: str, name: str) -> Iterator[Found]:
    """Each `image:` in the text's documents, however deep; raises :class:`Unreadable`.

    So it finds those of containers, initContainers and ephemeralContainers in pods, whatever
    makes the pods, of image volumes (`image: {reference: …}`), and of custom resources. A
    mapping that has anchors is looked at once.
    """
    try:
        _check_depth(text)
        for root in yaml.compose_all(text, Loader=_LOADER):
            if isinstance(root, yaml.MappingNode) and _is_compose_file(root):
                yield from _images_of_services(_entries(root)["services"], name)
            elif root is not None:
                yield from _images_below(root, name)
    except yaml.YAMLError as error:
        raise Unreadable(
            f"it cannot be read as YAML: {' '.join(str(error).split())[:200]}"
        ) from None
    except (ValueError, OverflowError) as error:
        # The scanner lets a few of its own conversions fail, as that of "\Uffffffff".
        raise Unreadable(f"it cannot be read as YAML: {str(error)[:200]}") from None


def _check_depth(text: str) -> None:
    """Refuse deep nesting before the composer, which recurses, meets it; and endless lists."""
    depth = 0
    for count, event in enumerate(yaml.parse(text, Loader=_LOADER)):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > DEEPEST:
            raise Unreadable(f"it is nested deeper than {DEEPEST} levels")
        if count > MOST_NODES:
            raise Unreadable(f"it has more than {MOST_NODES} values")


def _is_compose_file(root: yaml.MappingNode) -> bool:
    entries = _entries(root)
    return isinstance(entries.get("services"), yaml.MappingNode) and "apiVersion" not in entries


def _images_of_services(services: yaml.Node, name: str) -> Iterator[Found]:
    for service, definition in _entries(services).items():
        entries = _entries(definition)
        image = entries.get("image")
        if not isinstance(image, yaml.ScalarNode) or not image.value:
            continue
        where = _where(name, image)
        if "build" in entries:
            yield Skipped(image.value, where, f"the service {service[:80]} builds it")
            continue
        platform = entries.get("platform")
        written = platform.value if isinstance(platform, yaml.ScalarNode) else ""
        yield judged(image.value, where, written, hint=_COMPOSE_HINT)


def _images_below(root: yaml.Node, name: str) -> Iterator[Found]:
    """A walk without recursion, in the document's order, that enters each node once."""
    seen: set[int] = set()
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if id(node) in seen or isinstance(node, yaml.ScalarNode):
            continue
        seen.add(id(node))
        if not isinstance(node, yaml.MappingNode):
            waiting += reversed(node.value)
            continue
        entries = _entries(node)
        # The schema of resources, not a resource: its examples are nothing that runs.
        if _text(entries.get("kind")) == "CustomResourceDefinition":
            continue
        image = entries.get("image")
        if isinstance(image, yaml.MappingNode):
            if any(isinstance(key, yaml.MappingNode) for key, _ in image.value):
                # What YAML makes of a template's {{ … }}.
                yield judged("{{ … }}", _where(name, image))
            image = _entries(image).get("reference")
        if isinstance(image, yaml.ScalarNode) and image.value:
            yield judged(image.value, _where(name, image))
        waiting += reversed([value for _, value in node.value])


def _entries(node: yaml.Node) -> dict[str, yaml.Node]:
    """A mapping's values by their keys; what `<<` brings in stands behind its own."""
    if not isinstance(node, yaml.MappingNode):
        return {}
    own: dict[str, yaml.Node] = {}
    merged: dict[str, yaml.Node] = {}
    for key, value in node.value:
        if key.tag == "tag:yaml.org,2002:merge":
            for each in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                if isinstance(each, yaml.MappingNode):
                    merged = {_text(inner): held for inner, held in each.value} | merged
        else:
            own[_text(key)] = value
    return merged | own


def _text(node: yaml.Node | None) -> str:
    return node.value if isinstance(node, yaml.ScalarNode) else ""


def _where(name: str, node: yaml.Node) -> str:
    return f"{name}:{node.start_mark.line + 1}"
