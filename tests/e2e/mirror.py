"""The mirror under test, started as an operator starts it."""

from __future__ import annotations

import os
import sys
import urllib.error
import urllib.request
from pathlib import Path

from tests.e2e.kernel import children, lock_holder
from tests.e2e.processes import Daemon, environment, free_port

PROJECT = Path(__file__).parents[2]
WORKERS = 2


def answers(url: str) -> bool:
    """Whether a registry answers there."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{url}/v2/", timeout=5) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


class Mirror(Daemon):
    """A mirror of `upstream_url` that keeps all it stores in `root`, also over a restart."""

    def __init__(self, root: Path, upstream_url: str) -> None:
        self.root = root
        self.address = f"127.0.0.1:{free_port()}"
        self.url = f"http://{self.address}"
        settings = root.parent / "config.yml"
        settings.write_text("version: 0.1\n")
        command = [sys.executable, "manage.py", "serve"]
        if os.environ.get("E2E_STAND_IN"):
            command = ["docker-registry", "serve", str(settings)]
        super().__init__(
            command,
            root.parent / "mirror.log",
            lambda: answers(self.url),
            cwd=PROJECT,
            env=environment(
                MIRROR_CONFIG=str(settings),
                REGISTRY_HTTP_ADDR=self.address,
                REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY=str(root),
                REGISTRY_PROXY_REMOTEURL=upstream_url,
                WEB_CONCURRENCY=str(WORKERS),
            ),
        )

    def workers(self) -> list[int]:
        """The process ids of the workers, the oldest first."""
        return children(self.pid)

    def filler(self) -> int | None:
        """The worker that is filling a blob now, if any: it holds the lock on a part file."""
        holders = (lock_holder(part) for part in (self.root / "parts").glob("*.part"))
        return next((pid for pid in holders if pid is not None), None)
