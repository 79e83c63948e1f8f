"""A missing part skips the test that needs it and says so; in CI it fails it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.e2e.parts import require, require_root

INSTALLER = Path(__file__).with_name("install_parts.sh")
AT_A_DESK = {"PATH": os.environ["PATH"]}
IN_CI = {"PATH": os.environ["PATH"], "CI": "true"}


def test_what_is_there_lets_the_test_run() -> None:
    require("sh", "cat", environment=AT_A_DESK)
    require("sh", "cat", environment=IN_CI)


def test_a_missing_part_skips_and_is_named() -> None:
    with pytest.raises(pytest.skip.Exception, match=r"installed: no-such-part, nor-this$"):
        require("sh", "no-such-part", "nor-this", environment=AT_A_DESK)


def test_a_missing_part_fails_in_ci() -> None:
    with pytest.raises(pytest.fail.Exception, match="not installed: no-such-part"):
        require("sh", "no-such-part", environment=IN_CI)


def test_a_user_who_is_not_root_skips_and_fails_in_ci() -> None:
    require_root(AT_A_DESK, uid=0)
    with pytest.raises(pytest.skip.Exception, match="needs root"):
        require_root(AT_A_DESK, uid=1000)
    with pytest.raises(pytest.fail.Exception, match="needs root"):
        require_root(IN_CI, uid=1000)


def test_the_installer_is_silent_when_nothing_is_missing(tmp_path: Path) -> None:
    for name in _parts():
        program = tmp_path / name
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)

    said = _install(tmp_path)

    assert said == ""


def test_the_installer_names_what_it_cannot_install(tmp_path: Path) -> None:
    said = _install(tmp_path)  # a folder without apt-get

    assert "skopeo" in said
    assert said.count("\n") == 1


def _parts() -> list[str]:
    listed = INSTALLER.read_text().partition("parts=(")[2].partition(")")[0]
    return [entry.partition(":")[0] for entry in listed.split()]


def _install(path: Path) -> str:
    ended = subprocess.run(
        ("/bin/bash", str(INSTALLER)), env={"PATH": str(path)}, capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout + ended.stderr
