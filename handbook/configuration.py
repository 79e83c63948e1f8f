"""The tables of docs/configuration.md."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from handbook.options import Option, ignored, options

_UPSTREAM = "proxy"
_NOT_OF_EVERY_UPSTREAM = frozenset({"proxy.ttl"})

Row = tuple[str, ...]


def keys() -> str:
    """Every key but those of an upstream, a table for each section."""
    own = [each for each in options() if not is_of_upstream(each)]
    sections = dict.fromkeys(_section(each) for each in own)
    return "\n\n".join(
        _part(section, [each for each in own if _section(each) == section]) for section in sections
    )


def upstream_options() -> str:
    """The options of an upstream, without the section in front."""
    rows = (
        _row(each, each.key.removeprefix(f"{_UPSTREAM}."))
        for each in options()
        if is_of_upstream(each)
    )
    return table(("Option, variable", "What it is", "Takes", "Without it"), rows)


def ignored_keys() -> str:
    """What of distribution's is accepted, and does nothing."""
    by_answer: dict[str, list[str]] = {}
    for key, answer in ignored():
        by_answer.setdefault(answer, []).append(f"`{key}`")
    rows = ((", ".join(named), _plain(answer)) for answer, named in by_answer.items())
    return table(("Key", "The warning says"), rows)


def is_of_upstream(option: Option) -> bool:
    """Whether each upstream may have it."""
    return option.path[0] == _UPSTREAM and option.key not in _NOT_OF_EVERY_UPSTREAM


def table(head: Row, rows: Iterable[Row]) -> str:
    """In Markdown."""
    return "\n".join(_lines(head, rows))


def _lines(head: Row, rows: Iterable[Row]) -> Iterator[str]:
    for row in (head, tuple("---" for _ in head), *rows):
        yield f"| {' | '.join(row)} |"


def _section(option: Option) -> str:
    return option.path[0]


def _part(section: str, held: list[Option]) -> str:
    rows = [_row(each, each.key) for each in held]
    head = ("Key, variable", "What it is", "Takes", "Without it")
    return f"### {section}\n\n{table(head, rows)}"


def _row(option: Option, key: str) -> Row:
    named = f"`{key}`<br>`{option.variable}`"
    return (named, option.meaning, _plain(option.allowed), option.otherwise)


def _plain(text: str) -> str:
    """Text that is no Markdown, as Markdown."""
    for sign in "\\*_|<":
        text = text.replace(sign, f"\\{sign}")
    return text
