"""`manage.py warm` as a process of its own, with a store of its own or a running mirror's."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.mirror import PROJECT
from tests.e2e.processes import PATIENCE, environment


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def objects(self) -> list[dict[str, Any]]:
        """The JSON objects that it printed."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def summary(self) -> dict[str, Any]:
        summary: dict[str, Any] = self.objects[-1]["summary"]
        return summary


@dataclass(frozen=True, slots=True)
class Warm:
    """The command for the store in `root`, which has the upstream at `url`."""

    root: Path
    url: str

    def start(self, *arguments: str, **streams: Any) -> subprocess.Popen[str]:
        return subprocess.Popen(
            # Where the tests run in the background, the shell has them ignore Ctrl-C.
            ("env", "--default-signal=INT", sys.executable, "manage.py", "warm", *arguments),
            cwd=PROJECT,
            env=environment(
                MIRROR_CONFIG="/dev/null",
                REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY=str(self.root),
                REGISTRY_PROXY_REMOTEURL=self.url,
            ),
            text=True,
            **{
                "stdin": subprocess.DEVNULL,
                "stdout": subprocess.PIPE,
                "stderr": subprocess.PIPE,
                **streams,
            },
        )

    def __call__(self, *arguments: str, given: str | None = None) -> Ended:
        """Run it to its end; ``given`` is its standard input."""
        streams = {} if given is None else {"stdin": subprocess.PIPE}
        with self.start(*arguments, **streams) as process:
            out, err = process.communicate(given, timeout=PATIENCE)
        return Ended(process.returncode, out, err)
