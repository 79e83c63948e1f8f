"""A real registry: what the mirror mirrors."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from tests.e2e.processes import Daemon, environment, free_port
from tests.e2e.raw import pinged
from tests.e2e.tokens import ISSUER

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.tokens import TokenServer


AUTH = """\
auth:
  token:
    realm: {realm}
    service: {service}
    issuer: {issuer}
    rootcertbundle: {certificate}
"""


class Registry(Daemon):
    """Debian's docker-registry, which keeps everything in `home`, its content in `root`.

    With `tokens` it lets nobody in without a token of that server. Two on one `home`, one of them
    without, have the same content, which is pushed to that one. `extra` adds to its environment:
    REGISTRY_... keys.
    """

    def __init__(self, home: Path, tokens: TokenServer | None = None, **extra: str) -> None:
        self.address = f"127.0.0.1:{free_port()}"
        self.url = f"http://{self.address}"
        self.service = f"registry at {self.address}"
        self.root = home / "data"
        settings = home / ("guarded.yml" if tokens else "registry.yml")
        settings.write_text(f"version: 0.1\n{self._auth(tokens) if tokens else ''}")
        super().__init__(
            ("docker-registry", "serve", str(settings)),
            settings.with_suffix(".log"),
            self._is_ready,
            env=environment(
                REGISTRY_HTTP_ADDR=self.address,
                REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY=str(self.root),
                **extra,
            ),
        )

    def _auth(self, tokens: TokenServer) -> str:
        return AUTH.format(
            realm=tokens.realm,
            service=self.service,
            issuer=ISSUER,
            certificate=tokens.signer.certificate,
        )

    def _is_ready(self) -> bool:
        answers = (HTTPStatus.OK, HTTPStatus.UNAUTHORIZED)
        with pinged(self.address, answers) as port:
            return port is not None
