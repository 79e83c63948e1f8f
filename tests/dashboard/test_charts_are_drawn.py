"""Charts have a scale with round numbers, and every bar stands where its value says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from cache import wording
from dashboard.charts import HEIGHT, WIDTH, Series, draw, scale

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
HOURS = [NOON + timedelta(hours=n) for n in range(4)]


@pytest.mark.parametrize(
    ("highest", "ticks"),
    [
        (0, [0, 1]),
        (1, [0, 1]),
        (3, [0, 1, 2, 3]),
        (10, [0, 3, 6, 9, 12]),
        (97, [0, 25, 50, 75, 100]),
        (1000, [0, 250, 500, 750, 1000]),
    ],
)
def test_a_scale_has_a_few_round_numbers(highest: float, ticks: list[float]) -> None:
    assert scale(highest) == ticks


@pytest.mark.parametrize(
    ("highest", "ticks"),
    [
        (700, ["0 B", "200 B", "400 B", "600 B", "800 B"]),
        (3 * 1024**2, ["0 B", "1 MiB", "2 MiB", "3 MiB"]),
        (150 * 1024**3, ["0 B", "50 GiB", "100 GiB", "150 GiB"]),
    ],
)
def test_bytes_have_binary_ones(highest: float, ticks: list[str]) -> None:
    assert [wording.size(tick) for tick in scale(highest, binary=True)] == ticks


@pytest.mark.parametrize("highest", [0.001, 1023, 1024, 1e6, 123456789, 5e15])
@pytest.mark.parametrize("binary", [False, True])
def test_no_value_is_beyond_its_scale(highest: float, binary: bool) -> None:
    ticks = scale(highest, binary=binary)
    assert ticks[-1] >= highest
    assert 2 <= len(ticks) <= 6


def test_bars_stand_on_each_other() -> None:
    series = [Series("a", "x", [1, 0, 2, 0]), Series("b", "y", [1, 0, 2, 4])]
    chart = draw("both", HOURS, series, wording.count, stacked=True)
    first = chart.slots[0].bars
    assert [(bar.tone, bar.y, bar.height) for bar in first] == [
        ("x", HEIGHT * 0.75, HEIGHT * 0.25),
        ("y", HEIGHT * 0.5, HEIGHT * 0.25),
    ]
    assert chart.slots[1].bars == ()
    assert chart.slots[3].bars[0].height == HEIGHT
    assert chart.slots[3].x + chart.slots[3].width == WIDTH


def test_each_step_says_its_values() -> None:
    chart = draw("x", HOURS, [Series("Pulls", "x", [1, 2, 3, 12345])], wording.count)
    assert chart.slots[3].says == (("Pulls", "12\u202f345"),)
    assert chart.slots[3].at == HOURS[3]
    assert [tick.label for tick in chart.across] == ["12:00", "13:00", "14:00", "15:00"]


def test_nothing_is_said_to_be_nothing() -> None:
    assert draw("x", HOURS, [Series("a", "x", [0, 0, 0, 0])], wording.count).is_empty


@pytest.mark.parametrize(
    ("value", "said"),
    [(0, "0 B"), (999, "999 B"), (1024, "1 KiB"), (1536, "1.5 KiB"), (1024**3, "1 GiB")],
)
def test_sizes_are_binary(value: float, said: str) -> None:
    assert wording.size(value) == said


@pytest.mark.parametrize(
    ("part", "said"), [(None, "\u2013"), (0, "0 %"), (0.9999, "99.9 %"), (1, "100 %")]
)
def test_almost_all_is_not_all(part: float | None, said: str) -> None:
    assert wording.percent(part) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.14, "140 ms"), (5, "5 s"), (125, "2 min 5 s"), (3600, "1 h"), (273600, "3 d 4 h")],
)
def test_durations_have_two_units(seconds: float, said: str) -> None:
    assert wording.duration(seconds) == said
