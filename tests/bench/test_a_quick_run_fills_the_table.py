"""A run measures everything, of all parties."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.parts import require

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

PROJECT = Path(__file__).parents[2]
PATIENCE = 390.0

RATES = {
    *("digest", "digest-logs", "digest-tls", "tag-fresh", "tag-checked", "tags-checked"),
    *("config", "mib", "mib-logs", "mib-tls", "auth"),
    *("million-digest", "million-tag", "million-blob"),
}
COSTS = {"asks-digest": 0, "asks-tag": 1, "asks-fresh": 0, "asks-blob": 0}
OTHERS = {
    *("big-1", "big-8", "big-tls-1", "big-tls-8", "cold", "cold-first", "crowd", "crowd-upstream"),
    *("fleet-cold", "fleet-warm", "fleet-memory", "readers", "start"),
    *("slow-first", "slow-others", "slow-memory"),
}


def test_a_quick_run(tmp_path: Path) -> None:
    require("docker-registry", "nginx", "wrk", "cc")
    file = tmp_path / "measured.json"
    kept = PROJECT / "bench" / "results.md"
    before = kept.read_bytes() if kept.exists() else None

    ended = subprocess.run(
        (sys.executable, "-m", "bench", "--quick", "--json", str(file)),
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )

    assert ended.returncode == 0, ended.stderr
    measured = {row["key"]: row for row in json.loads(file.read_text())["rows"]}
    assert set(measured) == RATES | set(COSTS) | OTHERS
    assert all(min(row["values"]["Mirrorsite"]) > 0 for row in measured.values() if row["missed"])
    assert all(row["what"] in ended.stdout for row in measured.values())
    for key, asked in COSTS.items():
        assert measured[key]["values"]["Mirrorsite"] == [asked]
    assert measured["crowd-upstream"]["values"]["Mirrorsite"] == [1.0]
    # The other mirror fetches for each client: that the count can be other than 1 shows here.
    assert max(measured["crowd-upstream"]["values"]["docker-registry"]) > 1
    # What a quick run finds is not for keeping.
    assert (kept.read_bytes() if kept.exists() else None) == before
