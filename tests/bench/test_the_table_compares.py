"""A row compares the medians, and shows how far apart the rounds were."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from bench.run import in_turns
from bench.table import Report, Row, as_json, as_text, cell

RATES = Row("manifests", "req/s", (1200.0, 1000.0, 3000.4), (600.0, 650.0, 500.0))
GETS = Row("cold blob", "GETs", (22.0,), (0.0,), less_is_better=True)
REPORT = Report("another mirror", (RATES, GETS), ("two cores",))


def test_the_text() -> None:
    assert as_text(REPORT).splitlines() == [
        "More is better  unit            Mirrorsite  another mirror  ratio",
        "-----------------------------------------------------------------",
        "manifests       req/s  1,200 (1,000-3,000)   600 (500-650)   2.00",
        "",
        "Less is better  unit  Mirrorsite  another mirror  ratio",
        "-------------------------------------------------------",
        "cold blob       GETs          22               0    inf",
        "",
        "- two cores",
    ]


def test_the_json() -> None:
    rates, gets = json.loads(json.dumps(as_json(REPORT), allow_nan=False))["rows"]

    assert rates == {
        "what": "manifests",
        "unit": "req/s",
        "better": "more",
        "values": [[1200.0, 1000.0, 3000.4], [600.0, 650.0, 500.0]],
        "medians": [1200.0, 600.0],
        "ratio": 2.0,
    }
    assert (gets["better"], gets["ratio"]) == ("less", None)


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


@pytest.mark.parametrize(("theirs", "ratio"), [(0.0, 1.0), (5.0, 0.0)])
def test_the_ratio_of_nothing(theirs: float, ratio: float) -> None:
    assert Row("pulls", "requests", (0.0,), (theirs,)).ratio == ratio


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
