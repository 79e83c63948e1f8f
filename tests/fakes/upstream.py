"""A registry for the tests: real sockets, counted requests, misbehaviour on command."""

from __future__ import annotations

import re
import secrets
import ssl
from typing import TYPE_CHECKING, Self
from urllib.parse import quote

from cache.oci.digest import Digest
from tests.fakes.authentication import BasicGuard, BearerGuard, Guard, TokenService
from tests.fakes.content import Repository, StoredManifest
from tests.fakes.delivery import handler_for
from tests.fakes.faults import Armed, Fault, Faults
from tests.fakes.images import Image, Index, build_image
from tests.fakes.record import Record, Seen
from tests.fakes.server import LoopbackServer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType


class FakeUpstream:
    """Listens from `__enter__` (or `start`) on; another `host` makes it another host to clients.

    Public attributes are switches that a test may flip at any time. With `tls` it speaks TLS.
    """

    def __init__(self, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> None:
        self.tls = tls
        self.repositories: dict[str, Repository] = {}
        self.guard: Guard | None = None
        self.token_service: TokenService | None = None
        self.raw_challenges: list[str] = []
        self.cdn: FakeUpstream | None = None
        self.redirect_status = 307
        self.signed: dict[tuple[str, str], bytes] = {}
        self.strict_accept = False
        self.manifest_headers: Mapping[str, str] = {}
        self.tags_paging = True
        self.referrers_api = True
        self.referrers_filtering = True
        self.faults = Faults()
        self.record = Record()
        self._address = (host, 0)
        self._server: LoopbackServer | None = None

    # Switching it off and on

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Listen: the first time on a free port, later on the same again."""
        assert self._server is None, "it is running"
        self._server = LoopbackServer(self._address, handler_for(self), self.tls)
        self._address = (self._address[0], self._server.server_address[1])

    def stop(self) -> None:
        """Refuse connections and break those that are open. A no-op when it is off."""
        server, self._server = self._server, None
        if server is None:
            return
        server.cut_off()
        self.faults.release()
        server.join()
        if server.failures:
            raise server.failures[0]

    @property
    def host(self) -> str:
        return self._address[0]

    @property
    def port(self) -> int:
        return self._address[1]

    @property
    def url(self) -> str:
        scheme = "https" if self.tls else "http"
        return f"{scheme}://{self.host}:{self.port}"

    # Content

    def repository(self, name: str) -> Repository:
        """The named repository, made if it does not exist."""
        return self.repositories.setdefault(name, Repository())

    def add_blob(self, name: str, data: bytes, algorithm: str = "sha256") -> Digest:
        digest = Digest.of(data, algorithm)
        self.repository(name).blobs[str(digest)] = data
        return digest

    def add_manifest(
        self,
        name: str,
        body: bytes,
        media_type: str,
        tag: str | None = None,
        digest_algorithm: str = "sha256",
    ) -> Digest:
        digest = Digest.of(body, digest_algorithm)
        self.repository(name).manifests[str(digest)] = StoredManifest(body, media_type, digest)
        if tag is not None:
            self.tag(name, tag, digest)
        return digest

    def tag(self, name: str, tag: str, digest: Digest) -> None:
        """Point the tag here, also if it pointed elsewhere."""
        self.repository(name).tags[tag] = str(digest)

    def add_image(
        self, name: str, tag: str | None = None, layers: Sequence[bytes] = (b"layer",)
    ) -> Image:
        """An OCI image with these layers' bytes."""
        return self.put_image(name, build_image(layers), tag)

    def put_image(self, name: str, image: Image, tag: str | None = None) -> Image:
        """An image from `tests.fakes.images`."""
        for data in (image.config, *image.layers):
            self.add_blob(name, data)
        self.add_manifest(name, image.manifest, image.media_type, tag)
        return image

    def put_index(self, name: str, index: Index, tag: str | None = None) -> Index:
        """An index from `tests.fakes.images`, and its images."""
        for image in index.images:
            self.put_image(name, image)
        self.add_manifest(name, index.manifest, index.media_type, tag)
        return index

    # Authentication and redirects

    def host_tokens(self, service: TokenService) -> str:
        """Issue this service's tokens at `/token` of this server; answers that address."""
        self.token_service = service
        return f"{self.url}/token"

    def require_bearer(
        self, service: TokenService | None = None, realm: str | None = None
    ) -> TokenService:
        """Ask for tokens of `service`, from this server's own `/token` unless `realm` is given."""
        service = service or TokenService()
        self.guard = BearerGuard(service, realm or self.host_tokens(service))
        return service

    def require_basic(self, users: Mapping[str, str]) -> None:
        self.guard = BasicGuard(users)

    def redirect_blobs_to(self, cdn: FakeUpstream) -> None:
        """Answer blobs with a redirect to a signed address of another fake."""
        self.cdn = cdn

    def sign(self, digest: str, data: bytes) -> str:
        """An address that serves these bytes to whoever comes without Authorization."""
        signature = secrets.token_urlsafe(16)
        self.signed[digest, signature] = data
        return f"{self.url}/cdn/{quote(digest)}?signature={signature}"

    def expire_signatures(self) -> None:
        self.signed.clear()

    # Misbehaviour

    def misbehave(
        self,
        fault: Fault,
        *,
        method: str | None = None,
        path: str = "",
        skip: int = 0,
        times: int | None = None,
    ) -> Armed:
        """Do `fault` to requests with `method` and with the pattern `path` in path and query.

        The first `skip` of them are spared; after `times` it is over (None: never).
        """
        return self.faults.arm(Armed(fault, method, re.compile(path), skip, times))

    def behave(self) -> None:
        """Forget all faults and let go of what they hold."""
        self.faults.clear()

    # What it was asked

    @property
    def requests(self) -> list[Seen]:
        return self.record.matching()

    def seen(self, method: str | None = None, path: str = "") -> list[Seen]:
        """The requests with this method and with the pattern `path` in path and query."""
        return self.record.matching(method, path)

    def count(self, method: str | None = None, path: str = "") -> int:
        return len(self.record.matching(method, path))

    @property
    def body_bytes(self) -> int:
        """Bytes of bodies handed to the network so far."""
        return self.record.body_bytes

    def reset(self) -> None:
        """Start counting anew."""
        self.record.reset()
