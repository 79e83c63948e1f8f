"""Whether a run is worse than the one that was recorded: by its ratios, never by its times."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.table import Report, Row

RECORDED = Path(__file__).with_name("recorded.json")

TOLERANCE = 0.25
"""A ratio may be worse by so much, or by as much as the rounds of either run lay apart."""

MOST_TOLERANCE = 0.6


def record(report: Report, path: Path = RECORDED) -> None:
    """Have these ratios be the ones that later runs are compared with."""
    found = {
        row.key: {"spread": round(row.spread, 3), **_rounded(row)}
        for row in report.rows
        if row.others and not row.unit.startswith("upstream")
    }
    path.write_text(json.dumps(found, indent=2) + "\n")


def regressions(report: Report, path: Path = RECORDED) -> Iterator[str]:
    """A sentence for each ratio that is clearly worse than the recorded one."""
    if not path.exists():
        return
    recorded: dict[str, Any] = json.loads(path.read_text())
    for row in report.rows:
        known = recorded.get(row.key)
        if known is None:
            continue
        tolerance = min(MOST_TOLERANCE, max(TOLERANCE, row.spread, known["spread"]))
        for other, before in known["ratios"].items():
            now = row.ratio(other) if other in row.others else before
            if _is_worse(row, now, before, tolerance):
                yield (
                    f"{row.what}: {now:.2f} x {other}, recorded {before:.2f} "
                    f"(tolerance {tolerance:.0%})"
                )


def _is_worse(row: Row, now: float, before: float, tolerance: float) -> bool:
    if row.less_is_better:
        return now > before / (1 - tolerance)
    return now < before * (1 - tolerance)


def _rounded(row: Row) -> dict[str, Any]:
    return {"ratios": {other: round(row.ratio(other), 3) for other in row.others}}
