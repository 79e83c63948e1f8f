"""The picture of the rooms shows every room, and each above what it may enter."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from handbook import rooms
from tests.architecture.house import ROOMS

PROJECT = Path(__file__).parents[2]

SVG = "{http://www.w3.org/2000/svg}"


def heights(picture: str) -> dict[str, float]:
    """How far below the upper edge each room stands."""
    texts = ET.fromstring(picture).iter(f"{SVG}text")  # noqa: S314 - it was made here
    return {text.text or "": float(text.attrib["y"]) for text in texts}


def test_every_room_is_there_once_and_inside() -> None:
    picture = rooms.picture()
    shown = heights(picture)

    assert sorted(shown) == sorted(name.removeprefix("cache.") for name in ROOMS if name != "cache")
    for box in ET.fromstring(picture).iter(f"{SVG}rect"):  # noqa: S314
        assert float(box.get("x", 0)) + float(box.attrib["width"]) <= rooms.WIDTH


def test_a_room_stands_above_those_that_it_may_enter() -> None:
    shown = heights(rooms.picture())
    for room, entered in ROOMS.items():
        for other in entered - {"cache", room}:
            upper, lower = room.removeprefix("cache."), other.removeprefix("cache.")
            assert shown[upper] < shown[lower], f"{room} and {other}"


def test_an_arrow_that_follows_from_others_is_not_drawn() -> None:
    picture = rooms.picture({"a": {"b", "c"}, "b": {"c"}, "c": set()})
    assert picture.count("<path") == 2


def test_rooms_in_a_circle_cannot_be_drawn() -> None:
    with pytest.raises(ValueError, match="circle"):
        rooms.picture({"a": {"b"}, "b": {"a"}})


def test_it_is_readable_in_the_dark() -> None:
    """Text and paper differ in both lights (WCAG 2.2, 1.4.3: at least 4.5 to 1)."""
    light, dark = rooms.picture().split("@media (prefers-color-scheme: dark)")
    for style in (light, dark):
        (paper,) = re.findall(r"\.room \{ fill: (#\w{6})", style)
        (ink,) = re.findall(r"text \{ fill: (#\w{6})", style)
        bright, dim = sorted((luminance(paper), luminance(ink)), reverse=True)
        assert (bright + 0.05) / (dim + 0.05) > 4.5


def luminance(colour: str) -> float:
    """WCAG 2.2's relative luminance."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_it_is_the_same_in_every_run() -> None:
    """Sets have another order in each; a check would fail now and then, and nobody know why."""
    show = "from handbook import rooms; print(rooms.picture(), end='')"
    seen = {
        subprocess.run(
            (sys.executable, "-c", show),
            cwd=PROJECT,
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
            capture_output=True,
            check=True,
            timeout=60,
        ).stdout
        for seed in range(1, 7)
    }
    assert len(seen) == 1
