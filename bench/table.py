"""Results as a table and as JSON."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

OURS = "Mirrorsite"


@dataclass(frozen=True, slots=True)
class Row:
    """One thing measured at both mirrors, once or more often each."""

    what: str
    unit: str
    ours: tuple[float, ...]
    theirs: tuple[float, ...]
    less_is_better: bool = False

    @property
    def ratio(self) -> float:
        """Ours by theirs, of the medians; infinite where only theirs is nothing."""
        ours, theirs = median(self.ours), median(self.theirs)
        if ours == theirs:
            return 1.0
        return ours / theirs if theirs else math.inf


@dataclass(frozen=True, slots=True)
class Report:
    """All rows, and what one must know to judge them. `theirs` names the other mirror."""

    theirs: str
    rows: tuple[Row, ...]
    notes: tuple[str, ...]


def as_text(report: Report) -> str:
    """Cells hold the median and, of several measurements, the least and the greatest."""
    parts = [
        _section("More is better", report, less=False),
        _section("Less is better", report, less=True),
        "\n".join(f"- {note}" for note in report.notes),
    ]
    return "\n\n".join(parts) + "\n"


def as_json(report: Report) -> dict[str, Any]:
    """All measurements in their order; an infinite ratio is null."""
    return {
        "mirrors": [OURS, report.theirs],
        "rows": [
            {
                "what": row.what,
                "unit": row.unit,
                "better": "less" if row.less_is_better else "more",
                "values": [list(row.ours), list(row.theirs)],
                "medians": [median(row.ours), median(row.theirs)],
                "ratio": row.ratio if math.isfinite(row.ratio) else None,
            }
            for row in report.rows
        ],
        "notes": list(report.notes),
    }


def by_mirror(rounds: Sequence[Sequence[float]]) -> tuple[tuple[float, ...], ...]:
    """From what each round measured at each mirror to what each mirror reached in each round."""
    return tuple(zip(*rounds, strict=True))


def cell(values: tuple[float, ...]) -> str:
    """As "1,234 (1,100-1,300)", or "1,234" where all measurements say the same."""
    middle, least, most = (_number(each) for each in (median(values), min(values), max(values)))
    return middle if least == most else f"{middle} ({least}-{most})"


def _number(value: float) -> str:
    """Three digits or more, and none that say nothing."""
    if float(value).is_integer() or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _section(title: str, report: Report, *, less: bool) -> str:
    head = (title, "unit", OURS, report.theirs, "ratio")
    lines = [head] + [
        (row.what, row.unit, cell(row.ours), cell(row.theirs), f"{row.ratio:.2f}")
        for row in report.rows
        if row.less_is_better == less
    ]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    texts = [
        "  ".join(
            text.ljust(width) if column < 2 else text.rjust(width)
            for column, (text, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    return "\n".join((texts[0], "-" * max(map(len, texts)), *texts[1:]))
