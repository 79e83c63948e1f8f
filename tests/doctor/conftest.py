"""`manage.py doctor` as an operator runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import pytest

from tests.e2e.mirror import PROJECT
from tests.e2e.processes import PATIENCE, environment, free_port
from tests.fakes.upstream import FakeUpstream


@dataclass(frozen=True, slots=True)
class Report:
    """What the doctor said: its exit code, and each line as (level, topic, found, advice)."""

    code: int
    lines: tuple[tuple[str, str, str, str], ...]
    everything: str

    def of(self, topic: str) -> list[tuple[str, str]]:
        """Level and finding of each line about this."""
        return [(level, found) for level, name, found, _ in self.lines if name == topic]

    def worst(self) -> set[tuple[str, str]]:
        """Level and topic of all that is not well."""
        return {(level, name) for level, name, _, _ in self.lines if level != "ok"}


Examine: TypeAlias = Callable[..., Report]


@pytest.fixture
def upstream() -> Iterator[FakeUpstream]:
    with FakeUpstream() as upstream:
        yield upstream


@pytest.fixture
def examine(tmp_path: Path, upstream: FakeUpstream) -> Examine:
    """Run it for a mirror of the fake upstream in `tmp_path / "root"`.

    `before` is a program that starts it; `settings` are the mirror's.
    """
    defaults = {
        "MIRROR_CONFIG": "/dev/null",
        "REGISTRY_HTTP_ADDR": f"127.0.0.1:{free_port()}",
        "REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY": str(tmp_path / "root"),
        "REGISTRY_PROXY_REMOTEURL": upstream.url,
    }

    def examine(*before: str, **settings: str) -> Report:
        ended = subprocess.run(
            (*before, sys.executable, "manage.py", "doctor", "--json"),
            cwd=PROJECT,
            env=environment(**{**defaults, **settings}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        assert "Traceback" not in ended.stderr, ended.stderr
        said = [json.loads(line) for line in ended.stdout.splitlines()]
        lines = tuple(
            (check["level"], check["topic"], check["found"], check["advice"])
            for check in (each["check"] for each in said if "check" in each)
        )
        assert all(advice for level, _, _, advice in lines if level != "ok"), lines
        return Report(ended.returncode, lines, ended.stdout + ended.stderr)

    return examine
