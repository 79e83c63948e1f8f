"""A Docker daemon of the tests' own, which knows the mirror."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from tests.e2e.processes import NOWHERE, PATIENCE, Daemon, environment, run

if TYPE_CHECKING:
    from pathlib import Path


class Dockerd(Daemon):
    """Keeps everything in `home`. Behind the mirror there is no Docker Hub to fall back to.

    The mirror is the one of a `daemon.json`, if that is given instead of its address.
    """

    def __init__(self, home: Path, mirror: str | Path) -> None:
        self.host = f"unix://{home}/docker.sock"
        self._client_folder = str(home / "client")
        super().__init__(
            (
                "dockerd",
                *("--host", self.host),
                *("--data-root", str(home / "data")),
                *("--exec-root", str(home / "run")),
                *("--pidfile", str(home / "dockerd.pid")),
                *_naming(mirror),
                "--bridge=none",
                "--iptables=false",
                "--ip6tables=false",
            ),
            home / "dockerd.log",
            self._is_ready,
            env=environment(HTTPS_PROXY=f"http://{NOWHERE}", NO_PROXY="127.0.0.0/8,192.0.2.0/24"),
        )

    def pull(self, reference: str) -> str:
        """`docker pull`; answers what it printed."""
        return self.docker("pull", reference)

    def login(self, address: str, name: str, password: str) -> str:
        """`docker login`, which has to succeed; answers what it printed."""
        return self.docker("login", "--username", name, "--password", password, address)

    def run(self, reference: str) -> str:
        """What the image prints in a container without a network. Never pulls."""
        return self.docker("run", "--rm", "--network", "none", "--pull", "never", reference)

    def images(self) -> list[str]:
        """The ids of all images, of their parts too."""
        return self.docker("image", "ls", "--all", "--quiet").split()

    def forget(self) -> None:
        """Make it a client that has never pulled anything."""
        self.docker("image", "prune", "--all", "--force")
        assert self.images() == []

    def docker(self, *arguments: str, patience: float = PATIENCE) -> str:
        """What the client prints, which must end well."""
        return run(*self.command(*arguments), patience=patience, DOCKER_CONFIG=self._client_folder)

    def command(self, *arguments: str) -> tuple[str, ...]:
        """The client's command line for this daemon."""
        return ("docker", "--host", self.host, *arguments)

    def _is_ready(self) -> bool:
        asked = subprocess.run(
            ("docker", "--host", self.host, "version"),
            env=environment(DOCKER_CONFIG=self._client_folder),
            capture_output=True,
        )
        return asked.returncode == 0


def _naming(mirror: str | Path) -> tuple[str, ...]:
    if isinstance(mirror, str):
        return ("--registry-mirror", mirror, "--insecure-registry", "127.0.0.0/8")
    return ("--config-file", str(mirror))
