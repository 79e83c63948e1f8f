"""A running mirror with a slow transfer under way, and the command that looks at it."""

from __future__ import annotations

import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.mirror import PROJECT, Mirror
from tests.e2e.processes import PATIENCE, environment, eventually
from tests.fakes.faults import Fault, Gate
from tests.fakes.upstream import FakeUpstream

NAME = "library/thing"
SIZE = 8_000_000
HERE = 2_000_000
COMMAND = ("env", "--default-signal=INT", sys.executable, "manage.py", "status")


def environ_for(mirror: Mirror, upstream: FakeUpstream) -> dict[str, str]:
    """The environment of a command for this mirror, in a terminal."""
    return environment(
        MIRROR_CONFIG="/dev/null",
        REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY=str(mirror.root),
        REGISTRY_PROXY_REMOTEURL=upstream.url,
        TERM="xterm",
    )


@dataclass(frozen=True, slots=True)
class Watched:
    """A mirror that has `HERE` of `SIZE` bytes of a blob, and gets no more until the gate opens."""

    mirror: Mirror
    upstream: FakeUpstream
    digest: str
    gate: Gate

    @property
    def environ(self) -> dict[str, str]:
        return environ_for(self.mirror, self.upstream)

    def status(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            (*COMMAND, *arguments),
            cwd=PROJECT,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    folder: Path = tmp_path_factory.mktemp("watched")
    with FakeUpstream() as upstream:
        digest = str(upstream.add_blob(NAME, b"0123456789abcdef" * (SIZE // 16)))
        gate = Gate()
        upstream.misbehave(Fault(stall=gate, stall_at=HERE), method="GET", path=digest)
        with Mirror(folder / "root", upstream.url, REGISTRY_PROXY_STALL_TIMEOUT="10m") as mirror:
            url = f"{mirror.url}/v2/{NAME}/blobs/{digest}"
            pull = threading.Thread(target=_read, args=(url,))
            pull.start()
            gate.wait_until_reached()
            watched = Watched(mirror, upstream, digest, gate)
            eventually(lambda: "1 under way" in watched.status().stdout, "it was shown")
            eventually(lambda: "hit ratio 0 %" in watched.status().stdout, "the pull was counted")
            yield watched
            gate.open()
            pull.join(PATIENCE)


def _read(url: str) -> None:
    with suppress(OSError), urllib.request.urlopen(url, timeout=2 * PATIENCE) as answer:
        answer.read()
