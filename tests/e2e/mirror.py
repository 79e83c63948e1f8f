"""The mirror under test, started as an operator starts it."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING

from tests.e2e.kernel import children, connection_owner, lock_holder
from tests.e2e.processes import PATIENCE, Daemon, environment, free_port
from tests.e2e.raw import pinged
from tests.e2e.seed import PROJECT, sow

if TYPE_CHECKING:
    import ssl
    from pathlib import Path

__all__ = ["PROJECT", "WORKERS", "Mirror"]

WORKERS = 2


class Mirror(Daemon):
    """A mirror of `upstream_url` that keeps all it stores in `root`, also over a restart.

    `extra` adds to its environment: REGISTRY_... keys, MIRROR_THREADS, GUNICORN_CMD_ARGS.
    """

    before: tuple[str, ...] = ()
    """A program that starts it."""

    begins_anew: bool = False
    """Whether its very first start is the test's matter; else it is one that was started before."""

    trust: ssl.SSLContext | None = None
    """What reaches one that speaks TLS."""

    def __init__(self, root: Path, upstream_url: str, **extra: str) -> None:
        self.root = root
        self.address = f"127.0.0.1:{free_port()}"
        self.url = f"http://{self.address}"
        self._seen_ready: set[int] = set()
        self._has_own_records = any(
            name.startswith(("DATABASE_URL", "DJANGO_SUPERUSER_")) for name in extra
        )
        settings = root.parent / "config.yml"
        settings.write_text("version: 0.1\n")
        super().__init__(
            (*self.before, sys.executable, "manage.py", "serve"),
            root.parent / "mirror.log",
            self._is_ready,
            cwd=PROJECT,
            env=environment(
                MIRROR_CONFIG=str(settings),
                REGISTRY_HTTP_ADDR=self.address,
                REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY=str(root),
                REGISTRY_PROXY_REMOTEURL=upstream_url,
                WEB_CONCURRENCY=str(WORKERS),
                **extra,
            ),
        )

    def launch(self) -> None:
        """Sow what is not there yet, unless it is said who has it, or what is in it."""
        if not (self.begins_anew or self.before or self._has_own_records or self.root.exists()):
            sow(self.root)
        super().launch()

    def manage(self, *command: str, given: str = "") -> str:
        """What a command of `manage.py` prints for this mirror; `given` is its standard input."""
        ended = subprocess.run(
            (sys.executable, "manage.py", *command),
            cwd=PROJECT,
            env=self._env,
            input=given,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    def workers(self) -> list[int]:
        """The process ids of the workers, in no order."""
        return children(self.pid)

    def worker_of(self, client_port: int) -> int | None:
        """The worker that has accepted the connection from this loopback port, if one has."""
        return connection_owner(client_port, self.workers())

    def filler(self) -> int | None:
        """The worker that is filling a blob now, if any: it holds the lock on a part file."""
        for part in (self.root / "parts").glob("*.part"):
            with suppress(FileNotFoundError):  # committed just now
                holder = lock_holder(part)
                if holder is not None:
                    return holder
        return None

    def _is_ready(self) -> bool:
        """Whether each worker has answered: they do not begin at the same moment."""
        # One that has something to protect asks who is there.
        answers = (HTTPStatus.OK, HTTPStatus.UNAUTHORIZED)
        with pinged(self.address, answers, self.trust) as port:
            worker = None if port is None else self.worker_of(port)
        if worker is None:
            return False
        self._seen_ready.add(worker)
        workers = self.workers()
        return len(workers) == WORKERS and self._seen_ready.issuperset(workers)
