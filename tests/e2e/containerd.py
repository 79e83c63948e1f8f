"""A containerd of the tests' own, driven with ctr."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from tests.e2e.processes import NOWHERE, Daemon, environment, run

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = """\
version = 2
root = "{home}/root"
state = "{home}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = "{home}/containerd.sock"
[ttrpc]
address = "{home}/containerd.sock.ttrpc"
"""

HOSTS = """\
server = "http://{nowhere}"
[host."{mirror_url}"]
capabilities = ["pull", "resolve"]
"""

HEADER = """\
[host."{mirror_url}".header]
Authorization = ["{authorization}"]
"""

SNAPSHOTTER = ("--snapshotter", "native")
"""Plain copies: works on every file system, and the images are small."""


class Containerd(Daemon):
    """Keeps everything in `home`, and pulls from `registries` through the mirror.

    Behind the mirror there is no registry to fall back to. `authorization` is a header that goes
    with every request to the mirror; with `override_path`, its address names all of the path.
    """

    def __init__(
        self,
        home: Path,
        mirror_url: str,
        registries: tuple[str, ...] = ("docker.io",),
        authorization: str = "",
        override_path: bool = False,
    ) -> None:
        self._address = str(home / "containerd.sock")
        self._hosts = home / "hosts"
        config = home / "config.toml"
        config.write_text(CONFIG.format(home=home))
        for registry in registries:
            hosts = self._hosts / registry / "hosts.toml"
            hosts.parent.mkdir(parents=True)
            text = HOSTS.format(nowhere=NOWHERE, mirror_url=mirror_url)
            if override_path:
                text += "override_path = true\n"
            if authorization:
                text += HEADER.format(mirror_url=mirror_url, authorization=authorization)
            hosts.write_text(text)
        super().__init__(
            ("containerd", "--config", str(config)),
            home / "containerd.log",
            self._is_ready,
            env=environment(),
        )

    def pull(self, reference: str) -> None:
        """Pull what `reference` names for this machine's platform, and unpack it."""
        hosts = ("--hosts-dir", str(self._hosts))
        self._ctr("images", "pull", *hosts, *SNAPSHOTTER, reference)

    def pull_as(self, name: str, password: str, reference: str) -> None:
        """The same from a registry over plain HTTP, with `ctr --user`."""
        user = ("--plain-http", "--user", f"{name}:{password}")
        self._ctr("images", "pull", *user, *SNAPSHOTTER, reference)

    def run(self, reference: str) -> str:
        """What the pulled image prints in a container without a network."""
        return self._ctr("run", "--rm", *SNAPSHOTTER, reference, "e2e")

    def content(self) -> list[str]:
        """The digests of all manifests and blobs that it holds."""
        return self._ctr("content", "ls", "--quiet").split()

    def forget(self) -> None:
        """Make it a client that has never pulled anything."""
        self._ctr("images", "rm", "--sync", *self._ctr("images", "ls", "--quiet").split())
        assert self.content() == []

    def _ctr(self, *arguments: str) -> str:
        return run("ctr", "--address", self._address, *arguments)

    def _is_ready(self) -> bool:
        asked = subprocess.run(
            ("ctr", "--address", self._address, "version"),
            env=environment(),
            capture_output=True,
        )
        return asked.returncode == 0
