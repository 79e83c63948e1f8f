"""Each command as a shell runs it, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.mirror import PROJECT
from tests.e2e.processes import NOWHERE, PATIENCE, environment

FOLDER = PROJECT / "cache" / "management" / "commands"

#: A call of each command that does something at once on any mirror, and asks no upstream.
CALLS = {
    "client_config": ("docker",),
    "doctor": (),
    "du": (),
    "grant": ("list",),
    "import_registry": ("/nonexistent",),
    "migrate_database": ("postgresql://mirror@127.0.0.1:1/nothing", "--dry-run"),
    "pin": (),
    "purge": ("library/nothing",),
    "purge_expired": ("--dry-run",),
    "rotate_keys": (),
    "serve": (),
    "status": (),
    "token": ("list",),
    "unpin": ("library/nothing",),
    "user": ("list",),
    "verify_store": (),
    "visibility": ("list",),
    "warm": ("registry.example/thing",),
}


def commands() -> list[str]:
    """All that there are."""
    return sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "__init__")


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended."""

    command: tuple[str, ...]
    code: int
    out: str
    err: str

    def __str__(self) -> str:
        return f"{' '.join(self.command)}: {self.code}\n{self.out}\n{self.err}"


def environ_of(root: Path, **extra: str) -> dict[str, str]:
    """The environment of a command for the mirror in `root`."""
    return environment(
        **{
            "MIRROR_CONFIG": "/dev/null",
            "REGISTRY_HTTP_ADDR": NOWHERE,
            "REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY": str(root),
            "REGISTRY_PROXY_REMOTEURL": f"http://{NOWHERE}",
            "WEB_CONCURRENCY": "1",
            **extra,
        }
    )


def start(
    command: tuple[str, ...], environ: dict[str, str], **options: Any
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        # Where the tests run in the background, the shell has them ignore Ctrl-C.
        ("env", "--default-signal=INT,PIPE", sys.executable, "manage.py", *command),
        cwd=PROJECT,
        env=environ,
        text=True,
        **{
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            **options,
        },
    )


def run(command: tuple[str, ...], environ: dict[str, str], **options: Any) -> Ended:
    with start(command, environ, **options) as process:
        out, err = process.communicate(timeout=2 * PATIENCE)
    return Ended(command, process.returncode, out or "", err or "")


def run_unread(command: tuple[str, ...], environ: dict[str, str]) -> Ended:
    """Before `| head` whose head has ended."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        return run(command, environ, stdout=writing)
    finally:
        os.close(writing)


def run_closed(command: tuple[str, ...], environ: dict[str, str]) -> Ended:
    """With `>&-`."""
    shell = ("sh", "-c", 'exec "$@" >&-', "sh", sys.executable, "manage.py", *command)
    ended = subprocess.run(
        shell, cwd=PROJECT, env=environ, stderr=subprocess.PIPE, text=True, timeout=2 * PATIENCE
    )
    return Ended(command, ended.returncode, "", ended.stderr)
