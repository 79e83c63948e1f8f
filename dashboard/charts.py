"""Charts, drawn on the server: where each line, bar and label of a picture stands.

A chart has a scale with round numbers, and says of every step what it shows. The picture (SVG) is
stretched to whatever room there is, so its labels stand beside it, as text of the page, at places
in percent. Times are marked with the moment: the page writes them in the viewer's own zone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

WIDTH = 1000
HEIGHT = 200

#: About so many labels stand on each axis.
_LABELS_DOWN = 4
_LABELS_ACROSS = 4


_STEPS = (1, 2, 2.5, 5, 10)
_BINARY_STEPS = (1, 2, 5, 10, 20, 50, 100, 200, 500)


@dataclass(frozen=True, slots=True)
class Series:
    """One quantity over time; ``tone`` names its colour in the style sheet."""

    title: str
    tone: str
    values: Sequence[float]


@dataclass(frozen=True, slots=True)
class Tick:
    """A label on an axis, at ``place`` in percent from the left or the top; ``at``: of a time."""

    place: float
    label: str
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Bar:
    """A part of a stack."""

    tone: str
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Slot:
    """A step of the chart: where it stands, and what is said of it."""

    x: float
    width: float
    at: datetime
    bars: tuple[Bar, ...]
    says: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Line:
    """An SVG path, and the same closed along the bottom for the area below it."""

    tone: str
    path: str
    area: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Everything that the template needs to draw."""

    title: str
    series: tuple[Series, ...]
    slots: tuple[Slot, ...]
    lines: tuple[Line, ...]
    down: tuple[Tick, ...]
    across: tuple[Tick, ...]
    time_format: str
    is_empty: bool
    width: int = WIDTH
    height: int = HEIGHT


def draw(
    title: str,
    starts: Sequence[datetime],
    series: Sequence[Series],
    say: Callable[[float], str],
    *,
    stacked: bool = False,
    binary: bool = False,
) -> Chart:
    """A chart of the series over the steps that begin at ``starts``.

    ``say`` writes a value with its unit. ``stacked`` draws bars on each other, else lines.
    ``binary`` has the scale go in powers of 1024, for bytes.
    """
    highest = max(
        (max(column) if not stacked else sum(column) for column in _columns(series)), default=0
    )
    ticks = scale(highest, binary=binary)
    top = ticks[-1]
    width = WIDTH / max(1, len(starts))
    slots = tuple(
        Slot(
            x=round(n * width, 2),
            width=round(width, 2),
            at=start,
            bars=tuple(_stack(series, n, top)) if stacked else (),
            says=tuple((one.title, say(one.values[n])) for one in series),
        )
        for n, start in enumerate(starts)
    )
    return Chart(
        title=title,
        series=tuple(series),
        slots=slots,
        lines=() if stacked else tuple(_line(one, width, top) for one in series),
        down=tuple(Tick(round((1 - value / top) * 100, 2), say(value)) for value in ticks),
        across=tuple(_times(starts, width)),
        time_format=_time_format(starts),
        is_empty=highest == 0,
    )


def scale(highest: float, *, binary: bool = False) -> list[float]:
    """Round numbers from 0 to at least ``highest``, a few of them, evenly spaced."""
    if highest <= 0:
        return [0, 1]
    rough = highest / _LABELS_DOWN
    if binary:
        units = (1024.0**power for power in range(7))
        step = next(n * unit for unit in units for n in _BINARY_STEPS if n * unit >= rough)
    else:
        power = 10.0 ** math.floor(math.log10(rough))
        # Pulls and requests come whole.
        step = max(1.0, math.ceil(next(n * power for n in _STEPS if n * power >= rough * 0.999)))
    return [n * step for n in range(math.ceil(highest / step) + 1)]


def _columns(series: Sequence[Series]) -> Sequence[tuple[float, ...]]:
    return list(zip(*(one.values for one in series), strict=True))


def _y(value: float, top: float) -> float:
    return HEIGHT * (1 - value / top)


def _stack(series: Sequence[Series], n: int, top: float) -> list[Bar]:
    bars, below = [], 0.0
    for one in series:
        value = one.values[n]
        if value:
            y = _y(below + value, top)
            bars.append(Bar(one.tone, round(y, 2), round(_y(below, top) - y, 2)))
        below += value
    return bars


def _line(series: Series, width: float, top: float) -> Line:
    points = [
        f"{(n + 0.5) * width:.2f} {_y(value, top):.2f}" for n, value in enumerate(series.values)
    ]
    path = f"M{' L'.join(points)}"
    last = (len(points) - 0.5) * width
    area = f"{path} L{last:.2f} {HEIGHT} L{width / 2:.2f} {HEIGHT} Z"
    return Line(series.tone, path, area)


def _times(starts: Sequence[datetime], width: float) -> list[Tick]:
    every = max(1, round(len(starts) / _LABELS_ACROSS))
    # In the middle of each stretch, so that none hangs over an edge.
    return [
        Tick(round((n + 0.5) * width / WIDTH * 100, 2), _written(starts[n], starts), starts[n])
        for n in range(every // 2, len(starts), every)
    ]


def _time_format(starts: Sequence[datetime]) -> str:
    if len(starts) < 2 or starts[-1] - starts[0] <= timedelta(days=1):
        return "time"
    return "day" if starts[1] - starts[0] >= timedelta(days=1) else "daytime"


def _written(moment: datetime, starts: Sequence[datetime]) -> str:
    form = {"time": "%H:%M", "day": "%d %b", "daytime": "%d %b %H:%M"}[_time_format(starts)]
    return moment.strftime(form)
