"""Results: rows that compare, as a table in Markdown and as JSON."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

OURS = "Mirrorsite"
REGISTRY = "docker-registry"
NGINX = "nginx"

Values = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Goal:
    """What is wanted of ours: `bound` times what `against` reached; without one, `bound` itself.

    Whether that is the least or the most depends on whether less is better in the row.
    """

    bound: float
    against: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One thing measured, once or more often, of Mirrorsite and perhaps of `others`, in turns.

    `key` names it for ever, for comparing runs.
    """

    key: str
    what: str
    unit: str
    ours: Values
    others: Mapping[str, Values] = field(default_factory=dict)
    goals: tuple[Goal, ...] = ()
    less_is_better: bool = False

    def ratios(self, against: str) -> Values:
        """Ours by the other's, of each round; of the medians if they had not as many."""
        theirs = self.others[against]
        if len(theirs) != len(self.ours):
            return (_quotient(median(self.ours), median(theirs)),)
        return tuple(_quotient(*pair) for pair in zip(self.ours, theirs, strict=True))

    def ratio(self, against: str) -> float:
        """The median of the rounds' ratios: what slowed down a whole round does not count."""
        return median(self.ratios(against))

    def reached(self, goal: Goal) -> float:
        """What the goal's bound is to be compared with."""
        return self.ratio(goal.against) if goal.against else median(self.ours)

    def told(self) -> str:
        """In a few words, as "1,200 req/s (6.10 x docker-registry)"."""
        ratios = (f"{self.ratio(other):.2f} x {other}" for other in self.others)
        return f"{number(median(self.ours))} {self.unit} ({', '.join(ratios)})"

    def meets(self, goal: Goal) -> bool:
        """Whether it is good enough."""
        reached = self.reached(goal)
        return reached <= goal.bound if self.less_is_better else reached >= goal.bound

    @property
    def spread(self) -> float:
        """How noisy it was: how far the rounds' ratios lie apart, as a share of their median."""
        all_values = [self.ratios(other) for other in self.others] or [self.ours]
        return max((max(each) - min(each)) / (median(each) or 1.0) for each in all_values)


@dataclass(frozen=True, slots=True)
class Report:
    """All rows, and what one must know to judge them."""

    rows: tuple[Row, ...]
    notes: tuple[str, ...]

    @property
    def noise(self) -> float:
        """The median of the rows' spreads."""
        compared = [row.spread for row in self.rows if len(row.ours) > 1]
        return median(compared) if compared else 0.0


def as_markdown(report: Report) -> str:
    """Cells hold the median and, of several measurements, the least and the greatest."""
    head = ("case", "unit", OURS, "others", "ratio", "wanted", "spread")
    lines = [head, tuple("---" for _ in head)] + [_line(row) for row in report.rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    texts = (
        "| "
        + " | ".join(text.ljust(width) for text, width in zip(line, widths, strict=True))
        + " |"
        for line in lines
    )
    notes = (f"- {note}" for note in report.notes)
    return "\n".join((*texts, "", *notes, f"- {_noise(report)}")) + "\n"


def as_json(report: Report) -> dict[str, Any]:
    """All measurements in their order."""
    return {
        "rows": [
            {
                "key": row.key,
                "what": row.what,
                "unit": row.unit,
                "better": "less" if row.less_is_better else "more",
                "values": {OURS: list(row.ours)} | {k: list(v) for k, v in row.others.items()},
                "ratios": {other: _finite(row.ratio(other)) for other in row.others},
                "spread": _finite(row.spread),
                "missed": [goal.bound for goal in row.goals if not row.meets(goal)],
            }
            for row in report.rows
        ],
        "notes": list(report.notes),
    }


def in_rounds(rounds: Sequence[Sequence[float]]) -> tuple[Values, ...]:
    """From what each round measured of each party to what each party reached in each round."""
    return tuple(zip(*rounds, strict=True))


def cell(values: Values) -> str:
    """As "1,234 (1,100-1,300)", or "1,234" where all measurements say the same."""
    middle, least, most = (number(each) for each in (median(values), min(values), max(values)))
    return middle if least == most else f"{middle} ({least}-{most})"


def number(value: float) -> str:
    """Three digits or more, and none that say nothing."""
    if float(value).is_integer() or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _line(row: Row) -> tuple[str, ...]:
    return (
        row.what,
        row.unit,
        cell(row.ours),
        "; ".join(f"{name} {cell(values)}" for name, values in row.others.items()),
        "; ".join(f"{name} {row.ratio(name):.2f}" for name in row.others),
        "; ".join(_wanted(row, goal) for goal in row.goals),
        f"{row.spread:.0%}" if len(row.ours) > 1 else "",
    )


def _wanted(row: Row, goal: Goal) -> str:
    relation = "≤" if row.less_is_better else "≥"
    verdict = "met" if row.meets(goal) else f"**missed** ({number(row.reached(goal))})"
    return f"{goal.against} {relation} {goal.bound:g}: {verdict}".strip()


def _noise(report: Report) -> str:
    word = "quiet" if report.noise < 0.15 else "noisy" if report.noise < 0.4 else "very noisy"
    return f"Noise: ratios of the rounds of a case lie {report.noise:.0%} apart (median): {word}."


def _quotient(ours: float, theirs: float) -> float:
    if ours == theirs:
        return 1.0
    return ours / theirs if theirs else math.inf


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
