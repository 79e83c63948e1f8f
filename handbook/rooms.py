"""The picture of the house: which room may enter which, from the table that the tests enforce.

A room stands above all that it may import. Of the arrows those are drawn that do not follow from
others. The picture has no width that depends on fonts: it is made the same everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from tests.architecture.house import FOR_EVERYONE, ROOMS

WIDTH = 1300
_BOX_HEIGHT, _GAP, _ROW = 26, 10, 74
_CHARACTER, _PADDING, _MARGIN = 7, 9, 16
_SWEEPS = 12

_STYLE = """
  .paper { fill: #ffffff; } .room { fill: #eef2f7; stroke: #51647d; } .door { fill: #dbeafe; }
  text { fill: #1b2430; font: 12px ui-monospace, Menlo, Consolas, monospace; }
  path { fill: none; stroke: #51647d; stroke-opacity: .55; }
  @media (prefers-color-scheme: dark) {
    .paper { fill: #0d1117; } .room { fill: #1c2633; stroke: #8fa3bd; } .door { fill: #1e3a5f; }
    text { fill: #e6edf3; } path { stroke: #8fa3bd; }
  }
"""

Rooms = Mapping[str, set[str]]


@dataclass(frozen=True, slots=True)
class Box:
    """Where a room stands."""

    name: str
    x: float
    y: float
    width: float

    @property
    def middle(self) -> float:
        return self.x + self.width / 2


def picture(rooms: Rooms = ROOMS) -> str:
    """An SVG for light and dark pages."""
    shown = {name: set(inner) for name, inner in rooms.items() if name != "cache"}
    # Everyone may: the arrows would say nothing.
    for name, inner in shown.items():
        inner.discard(FOR_EVERYONE)
        inner.discard(name)
    entered = {inner for every in shown.values() for inner in every}
    doors = shown.keys() - entered - {FOR_EVERYONE}
    boxes, height = _placed(_lines(_ordered(shown)))
    drawn = [
        *(_arrow(boxes[a], boxes[b]) for a in sorted(shown) for b in sorted(_reduced(shown)[a])),
        *(_room(boxes[name], "door" if name in doors else "room") for name in sorted(boxes)),
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-label="The rooms of the house, each above those that it may import">\n'
        f"<style>{_STYLE}</style>\n"
        f'<rect class="paper" width="{WIDTH}" height="{height}"/>\n'
        + "\n".join(drawn)
        + "\n</svg>\n"
    )


def levels(rooms: Rooms) -> dict[str, int]:
    """How far above the ground each room is: one more than the highest that it may enter.

    Raises ValueError if rooms may enter each other in a circle.
    """
    found: dict[str, int] = {}
    under_way: set[str] = set()

    def level(name: str) -> int:
        if name in under_way:
            raise ValueError(f"the rooms around {name} may enter each other in a circle")
        if name not in found:
            under_way.add(name)
            found[name] = max((level(inner) + 1 for inner in rooms[name]), default=0)
            under_way.discard(name)
        return found[name]

    for name in rooms:
        level(name)
    return found


def _reduced(rooms: Rooms) -> dict[str, set[str]]:
    """The arrows that do not follow from others."""
    reached: dict[str, set[str]] = {}
    for name in sorted(rooms, key=levels(rooms).__getitem__):
        reached[name] = rooms[name].union(*(reached[inner] for inner in rooms[name]))
    return {
        name: {
            one
            for one in inner
            if not any(one in reached[other] for other in inner if other != one)
        }
        for name, inner in rooms.items()
    }


def _ordered(rooms: Rooms) -> list[list[str]]:
    """The rooms of each level, the highest first, near those that they are tied to."""
    by_level = levels(rooms)
    rows = [
        sorted(name for name in rooms if by_level[name] == level)
        for level in range(max(by_level.values()), -1, -1)
    ]
    ties: dict[str, set[str]] = {name: set() for name in rooms}
    for name, inner in _reduced(rooms).items():
        for one in inner:
            ties[name].add(one)
            ties[one].add(name)
    for _ in range(_SWEEPS):
        place = {name: n / len(row) for row in rows for n, name in enumerate(row)}
        for row in rows:
            row.sort(
                key=lambda name: (
                    # Not `sum`: it depends on the order, which a set has another of in each run.
                    math.fsum(place[one] for one in ties[name]) / len(ties[name])
                    if ties[name]
                    else 0.5,
                    name,
                )
            )
    return rows


def _lines(rows: list[list[str]]) -> list[list[str]]:
    """Each level in as many lines as it needs."""
    lines: list[list[str]] = []
    for row in rows:
        parts = math.ceil(_wide(row) / (WIDTH - 2 * _MARGIN))
        size = math.ceil(len(row) / parts)
        lines += [row[begin : begin + size] for begin in range(0, len(row), size)]
    return lines


def _wide(names: list[str]) -> float:
    return sum(_box_width(name) for name in names) + _GAP * (len(names) - 1)


def _box_width(name: str) -> float:
    return len(_called(name)) * _CHARACTER + 2 * _PADDING


def _called(name: str) -> str:
    return name.removeprefix("cache.")


def _placed(lines: list[list[str]]) -> tuple[dict[str, Box], int]:
    boxes = {}
    for number, line in enumerate(lines):
        room = (WIDTH - 2 * _MARGIN - sum(_box_width(name) for name in line)) / (len(line) + 1)
        gap = max(0.0, room)
        x = _MARGIN + gap
        for name in line:
            boxes[name] = Box(name, x, _MARGIN + number * _ROW, _box_width(name))
            x += _box_width(name) + gap
    return boxes, _MARGIN * 2 + (len(lines) - 1) * _ROW + _BOX_HEIGHT


def _arrow(upper: Box, lower: Box) -> str:
    start, end = upper.y + _BOX_HEIGHT, lower.y
    bend = min(40.0, (end - start) / 2)
    return (
        f'<path d="M{upper.middle:.0f} {start:.0f}C{upper.middle:.0f} {start + bend:.0f} '
        f'{lower.middle:.0f} {end - bend:.0f} {lower.middle:.0f} {end:.0f}"/>'
    )


def _room(box: Box, kind: str) -> str:
    return (
        f'<rect class="room {kind}" x="{box.x:.0f}" y="{box.y:.0f}" width="{box.width:.0f}" '
        f'height="{_BOX_HEIGHT}" rx="5"/><text x="{box.middle:.0f}" y="{box.y + 17:.0f}" '
        f'text-anchor="middle">{_called(box.name)}</text>'
    )
