"""A row compares round by round, says whether it is good enough, and how noisy it was."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.regression import record, regressions
from bench.stage import in_turns
from bench.table import Goal, Report, Row, as_json, as_markdown, cell

RATES = Row(
    "manifests",
    "manifests",
    "req/s",
    (1200.0, 1000.0, 3000.0),
    {"another": (600.0, 500.0, 600.0), "the limit": (4000.0, 4000.0, 4000.0)},
    (Goal(1.5, "another"), Goal(0.7, "the limit")),
)
GETS = Row("gets", "cold blob", "GETs", (1.0,), {"another": (0.0,)}, (Goal(1.0),), True)
SECONDS = Row("all", "a fleet", "s", (10.0,), {"another": (20.0,)}, (Goal(0.4, "another"),), True)


def test_the_ratio_is_that_of_most_rounds() -> None:
    assert RATES.ratios("another") == (2.0, 2.0, 5.0)
    assert RATES.ratio("another") == 2.0


def test_what_is_good_enough() -> None:
    assert [RATES.meets(goal) for goal in RATES.goals] == [True, False]
    assert GETS.meets(GETS.goals[0])
    assert not SECONDS.meets(SECONDS.goals[0])


def test_how_noisy_it_was() -> None:
    assert RATES.spread == pytest.approx(0.5 / 0.3)
    assert Report((RATES, GETS), ()).noise == RATES.spread


def test_the_table() -> None:
    text = as_markdown(Report((RATES, GETS), ("two cores",)))

    lines = [[cell.strip() for cell in line.split("|")] for line in text.splitlines()]
    assert lines[2][1:8] == [
        "manifests",
        "req/s",
        "1,200 (1,000-3,000)",
        "another 600 (500-600); the limit 4,000",
        "another 2.00; the limit 0.30",
        "another ≥ 1.5: met; the limit ≥ 0.7: **missed** (0.30)",
        "167%",
    ]
    assert lines[3][1:8] == ["cold blob", "GETs", "1", "another 0", "another inf", "≤ 1: met", ""]
    assert "- two cores" in text
    assert "very noisy" in text


def test_the_json() -> None:
    rates, gets = json.loads(json.dumps(as_json(Report((RATES, GETS), ())), allow_nan=False))[
        "rows"
    ]

    assert rates["values"]["Mirrorsite"] == [1200.0, 1000.0, 3000.0]
    assert rates["ratios"] == {"another": 2.0, "the limit": 0.3}
    assert rates["missed"] == [0.7]
    assert (gets["better"], gets["ratios"]) == ("less", {"another": None})


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ((0.0,), "0"),
        ((3.14159,), "3.14"),
        ((41.77,), "41.8"),
        ((592.4,), "592"),
        ((1.0, 1.0, 1.0), "1"),
        ((1.0, 1.0, 4.0), "1 (1-4)"),
    ],
)
def test_a_cell(values: tuple[float, ...], text: str) -> None:
    assert cell(values) == text


def test_rounds_take_turns() -> None:
    order: list[str] = []

    def measure(name: str) -> Callable[[], float]:
        def measured() -> float:
            order.append(name)
            return float(len(order))

        return measured

    taken = in_turns(3, [measure("A"), measure("B")])

    assert order == ["A", "B", "A", "B", "A", "B"]
    assert taken == ((1.0, 3.0, 5.0), (2.0, 4.0, 6.0))


def rates(ours: float) -> Report:
    return Report((Row("rate", "a rate", "req/s", (ours,), {"another": (100.0,)}),), ())


def times(ours: float) -> Report:
    return Report((Row("time", "a time", "s", (ours,), {"another": (10.0,)}, (), True),), ())


@pytest.mark.parametrize(
    ("before", "now", "is_worse"),
    [
        (rates(600), rates(600), False),
        (rates(600), rates(500), False),
        (rates(600), rates(400), True),
        (rates(600), rates(900), False),
        (times(4), times(5), False),
        (times(4), times(6), True),
        (times(4), times(2), False),
        (rates(600), times(600), False),
    ],
)
def test_a_clearly_worse_ratio_is_a_regression(
    tmp_path: Path, before: Report, now: Report, is_worse: bool
) -> None:
    record(before, tmp_path / "recorded.json")

    said = list(regressions(now, tmp_path / "recorded.json"))

    assert bool(said) == is_worse


def test_noise_is_no_regression(tmp_path: Path) -> None:
    record(rates(600), tmp_path / "recorded.json")
    others = {"another": (100.0, 100.0, 100.0)}
    noisy = Report((Row("rate", "a rate", "req/s", (300.0, 400.0, 600.0), others),), ())

    assert list(regressions(noisy, tmp_path / "recorded.json")) == []


def test_without_a_record_nothing_is_worse(tmp_path: Path) -> None:
    assert list(regressions(rates(1), tmp_path / "recorded.json")) == []
