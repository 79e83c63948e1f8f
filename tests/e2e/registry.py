"""A real registry: what the mirror mirrors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.e2e.processes import Daemon, environment, free_port
from tests.e2e.raw import pinged

if TYPE_CHECKING:
    from pathlib import Path


class Registry(Daemon):
    """Debian's docker-registry, which keeps everything in `home`."""

    def __init__(self, home: Path) -> None:
        address = f"127.0.0.1:{free_port()}"
        self.url = f"http://{address}"
        self._address = address
        settings = home / "config.yml"
        settings.write_text("version: 0.1\n")
        super().__init__(
            ("docker-registry", "serve", str(settings)),
            home / "registry.log",
            self._is_ready,
            env=environment(
                REGISTRY_HTTP_ADDR=address,
                REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY=str(home / "data"),
            ),
        )

    def _is_ready(self) -> bool:
        with pinged(self._address) as port:
            return port is not None
