"""Ctrl-C ends a run with everything that it started, however impatient."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bench.children import no_child_left
from tests.e2e.kernel import PROC, children
from tests.e2e.parts import require
from tests.e2e.processes import eventually

pytestmark = pytest.mark.e2e

PROJECT = Path(__file__).parents[2]
PATIENCE = 60.0
FOREVER = "import signal; signal.pause()"


def test_ctrl_c_twice(tmp_path: Path) -> None:
    require("docker-registry", "nginx", "wrk", "cc")
    with subprocess.Popen(
        (sys.executable, "-m", "bench", "--quick"),
        cwd=PROJECT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("digest"):
                break
        assert len(processes_in(tmp_path)) > 3
        assert any(tmp_path.iterdir())

        process.send_signal(signal.SIGINT)
        eventually(lambda: not processes_in(tmp_path, "docker-registry"), "the clearing began")
        assert processes_in(tmp_path, "serve")
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=PATIENCE)

    assert process.returncode == 128 + signal.SIGINT
    assert said == ""
    assert processes_in(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_a_program_that_was_being_started_ends_too() -> None:
    """An exception between a fork and the assignment leaves a child that nobody has in hand."""
    with no_child_left():
        pid = os.posix_spawn(sys.executable, [sys.executable, "-c", FOREVER], {})
        assert pid in children(os.getpid())
    assert pid not in children(os.getpid())


def processes_in(folder: Path, program: str = "") -> list[int]:
    """Those of the program (of any) whose command line or environment names the folder."""
    found = []
    for process in PROC.glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes()
            environ = (process / "environ").read_bytes()
        except OSError:
            continue  # it has ended, or is somebody else's
        if os.fsencode(folder) in command + environ and program.encode() in command:
            found.append(int(process.name))
    return found
