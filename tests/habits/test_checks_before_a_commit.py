"""pre-commit runs the checks of `make lint`, from the project's own environment alone."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.e2e.mirror import PROJECT

PRE_COMMIT = PROJECT / ".venv/bin/pre-commit"
SECONDS = 400


def run(*command: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=folder,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "PRE_COMMIT_HOME": str(folder / ".cache/pre-commit"),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
    )


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """The project's files as they are now, as a repository of their own."""
    folder = tmp_path / "clone"
    listed = run("git", "ls-files", "-co", "--exclude-standard", "-z", folder=PROJECT).stdout
    for name in filter(None, listed.split("\0")):
        if (PROJECT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(PROJECT / name, folder / name)
    if (PROJECT / ".cache/mypy").is_dir():  # what mypy remembers, or it takes minutes
        shutil.copytree(PROJECT / ".cache/mypy", folder / ".cache/mypy")
    (folder / ".venv").symlink_to((PROJECT / ".venv").resolve())
    for command in (("init", "-q"), ("add", "-A")):
        assert run("git", *command, folder=folder).returncode == 0
    return folder


def test_its_configuration_is_one() -> None:
    ended = run(PRE_COMMIT, "validate-config", ".pre-commit-config.yaml", folder=PROJECT)
    assert (ended.returncode, ended.stdout) == (0, "")


def test_nothing_is_fetched_for_it() -> None:
    config = yaml.safe_load((PROJECT / ".pre-commit-config.yaml").read_text("utf-8"))
    assert [repository["repo"] for repository in config["repos"]] == ["local"]
    assert {hook["language"] for hook in config["repos"][0]["hooks"]} == {"system"}


def test_it_checks_what_make_lint_checks() -> None:
    makefile = (PROJECT / "Makefile").read_text("utf-8")
    (lint,) = [part for part in makefile.split("\n\n") if "\nlint:" in part]
    config = yaml.safe_load((PROJECT / ".pre-commit-config.yaml").read_text("utf-8"))
    entries = " ".join(hook["entry"] for hook in config["repos"][0]["hooks"])
    checks = re.findall(r"^\t.*\$\(BIN\)/(.+)$", lint, re.MULTILINE)
    for target in lint.partition("\nlint:")[2].splitlines()[0].split()[1:]:
        checks += re.findall(rf"\n{target}: .*?\$\(BIN\)/(.+?)\n", makefile, re.DOTALL)
    assert len(checks) == 6
    assert [check for check in checks if check.removesuffix(" .") not in entries] == []


@pytest.mark.timeout(SECONDS)
def test_all_files_pass_and_a_bad_one_does_not(clone: Path) -> None:
    good = run(PRE_COMMIT, "run", "--all-files", folder=clone)
    assert good.returncode == 0, good.stdout
    assert good.stdout.count("Passed") == 6, good.stdout

    (clone / "cache" / "pull" / "bad.py").write_text('"""Bad."""\nimport httpx, os\n')
    run("git", "add", "-A", folder=clone)
    bad = run(PRE_COMMIT, "run", "--files", "cache/pull/bad.py", folder=clone)

    assert bad.returncode == 1
    assert "cache.pull.bad may not import httpx" in bad.stdout
    assert "F401" in bad.stdout
