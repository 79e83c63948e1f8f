"""A run measures everything, at both mirrors."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.parts import require

pytestmark = pytest.mark.e2e

PROJECT = Path(__file__).parents[2]
PATIENCE = 100.0
CELL = re.compile(r"[\d,.]+(?: \([\d,.]+-[\d,.]+\))?")
RATIO = re.compile(r"\d+\.\d\d")
CROWD = "20 clients of one cold blob of 16 MiB"
WANTED = {
    ("manifest by digest, warm", "req/s"),
    ("manifest by tag, warm, checked upstream", "req/s"),
    ("the same, proxy.freshness: 1h", "req/s"),
    ("blob of 1 MiB, warm", "req/s"),
    ("blob of 32 MiB, warm", "MiB/s"),
    ("blob of 32 MiB, cold", "MiB/s"),
    ("cold blob of 32 MiB, until it is kept", "ms"),
    ("a pull of a warm manifest by digest", "upstream requests"),
    ("a pull of a warm manifest by tag", "upstream requests"),
    ("a pull of a warm manifest by tag, proxy.freshness: 1h", "upstream requests"),
    ("a pull of a warm blob of 1 MiB", "upstream requests"),
    (CROWD, "upstream GETs"),
    ("the same", "upstream MiB"),
    ("memory after all this (RSS, summed)", "MiB"),
    ("start, until all processes answer", "ms"),
}


def test_a_quick_run(tmp_path: Path) -> None:
    require("docker-registry")
    file = tmp_path / "measured.json"

    ended = subprocess.run(
        (sys.executable, "-m", "bench", "--quick", "--json", str(file)),
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )

    assert ended.returncode == 0, ended.stderr
    rows = table(ended.stdout)
    assert set(rows) == WANTED
    for ours, theirs, ratio in rows.values():
        assert CELL.fullmatch(ours)
        assert CELL.fullmatch(theirs)
        assert RATIO.fullmatch(ratio)
    assert rows[CROWD, "upstream GETs"][0] == "1"
    assert rows["the same", "upstream MiB"][0] == "16"
    assert rows["a pull of a warm manifest by digest", "upstream requests"][0] == "0"
    assert rows["a pull of a warm manifest by tag", "upstream requests"][0] == "1"
    trusted = "a pull of a warm manifest by tag, proxy.freshness: 1h"
    assert rows[trusted, "upstream requests"][0] == "0"
    assert rows["a pull of a warm blob of 1 MiB", "upstream requests"][0] == "0"

    measured = {(row["what"], row["unit"]): row for row in json.loads(file.read_text())["rows"]}
    assert set(measured) == WANTED
    assert all(min(*row["values"]) >= [0] for row in measured.values())
    # The other mirror fetches for each client: that the count can be other than 1 shows here.
    assert measured[CROWD, "upstream GETs"]["medians"][1] > 1


def table(text: str) -> dict[tuple[str, str], tuple[str, str, str]]:
    """Cells by the row's name and unit; columns stand at least two spaces apart."""
    lines = [re.split(r"\s{2,}", line) for line in text.splitlines() if not line.startswith("- ")]
    body = [line for line in lines if len(line) == 5 and line[1] != "unit"]
    return {(what, unit): (ours, theirs, ratio) for what, unit, ours, theirs, ratio in body}
