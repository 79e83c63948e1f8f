"""What is measured: Mirrorsite, Debian's docker-registry as a mirror, and nginx as the limit."""

from __future__ import annotations

import json
import os
import re
import ssl
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.content import REPOSITORY
from bench.nginx import PASSWORD, USER, basic
from tests.e2e.kernel import PROC, children
from tests.e2e.mirror import WORKERS, Mirror
from tests.e2e.processes import Daemon, environment, eventually, free_port, run
from tests.e2e.raw import pinged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from cache.oci.digest import Digest

_MEMORY = re.compile(r"^(VmRSS|VmHWM):\s+(\d+) kB$", re.MULTILINE)

# As Debian's package sets it up, with its log of requests where the others have theirs.
_REGISTRY_CONFIG = """\
version: 0.1
log: {{level: error, accesslog: {{disabled: {silent}}}}}
storage:
  cache: {{blobdescriptor: inmemory}}
  filesystem: {{rootdirectory: {root}}}
http: {{addr: "{address}"{tls}}}
proxy: {{remoteurl: "{upstream}"}}
"""


@dataclass(frozen=True, slots=True)
class System:
    """A running server. `blob_path` tells where a blob stands once it is kept.

    `headers` go with every request to it.
    """

    address: str
    daemon: Daemon
    blob_path: Callable[[Digest], Path]
    is_tls: bool = False
    headers: tuple[str, ...] = ()

    @property
    def url(self) -> str:
        return f"{'https' if self.is_tls else 'http'}://{self.address}"

    def wait_until_kept(self, digest: Digest) -> None:
        """Return when the blob is whole in the store, which may be after a client has it."""
        eventually(self.blob_path(digest).exists, f"{digest} was kept")

    def forget_peak(self) -> None:
        """Have `peak_mib` begin anew (proc(5), clear_refs)."""
        for pid in self._pids():
            (PROC / str(pid) / "clear_refs").write_text("5")

    def peak_mib(self) -> float:
        """The most memory that each of its processes had, summed: what they share counts often."""
        return sum(_memory(pid, "VmHWM") for pid in self._pids()) / 1024

    def resident_mib(self) -> float:
        """The same for the memory that they have now."""
        return sum(_memory(pid, "VmRSS") for pid in self._pids()) / 1024

    def cpu_seconds(self) -> float:
        """The processor's time that all its processes have taken so far (proc(5), stat)."""
        ticks = 0
        for pid in self._pids():
            fields = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def _pids(self) -> tuple[int, ...]:
        return (self.daemon.pid, *children(self.daemon.pid))


@contextmanager
def mirrorsite(
    home: Path,
    upstream: str,
    tls: tuple[Path, Path] | None = None,
    settings: Mapping[str, str] | None = None,
    prepare: Callable[[Mirror], None] = lambda _mirror: None,
    headers: Callable[[Mirror], tuple[str, ...]] = lambda _mirror: (),
) -> Iterator[System]:
    """Mirrorsite, which keeps everything in the folder `home`, made if it is missing.

    `prepare` may do something with its folder before it starts.
    """
    home.mkdir(exist_ok=True)
    root = home / "data"
    # A line for each request is written only where all others write one, too.
    given = {"REGISTRY_LOG_ACCESSLOG_DISABLED": "true", **(settings or {})}
    if tls is not None:
        certificate, key = tls
        given["REGISTRY_HTTP_TLS"] = f"{{certificate: {certificate}, key: {key}}}"
    mirror = Mirror(root, f"http://{upstream}", **given)
    mirror.trust = _any_certificate(tls)

    def blob_path(digest: Digest) -> Path:
        return root / "blobs" / digest.algorithm / digest.hex[:2] / digest.hex

    prepare(mirror)
    with mirror:
        yield System(mirror.address, mirror, blob_path, tls is not None, headers(mirror))


@contextmanager
def docker_registry(
    home: Path, upstream: str, tls: tuple[Path, Path] | None = None, *, logs: bool = False
) -> Iterator[System]:
    """docker-registry in proxy mode, which keeps everything in the folder `home`."""
    home.mkdir(exist_ok=True)
    root = home / "data"
    address = f"127.0.0.1:{free_port()}"
    settings = home / "config.yml"
    settings.write_text(
        _REGISTRY_CONFIG.format(
            root=root,
            address=address,
            upstream=f"http://{upstream}",
            silent="false" if logs else "true",
            tls="" if tls is None else f", tls: {{certificate: {tls[0]}, key: {tls[1]}}}",
        )
    )

    def blob_path(digest: Digest) -> Path:
        blobs = root / "docker" / "registry" / "v2" / "blobs"
        return blobs / digest.algorithm / digest.hex[:2] / digest.hex / "data"

    def is_ready() -> bool:
        with pinged(address, tls=_any_certificate(tls)) as port:
            return port is not None

    daemon = Daemon(
        ("docker-registry", "serve", str(settings)),
        home / "registry.log",
        is_ready,
        # As many cores as Mirrorsite's processes can use.
        env=environment(GOMAXPROCS=str(WORKERS)),
    )
    with daemon:
        yield System(address, daemon, blob_path, tls is not None)


def docker_registry_version() -> str:
    """As "2.8.2"."""
    said = run("docker-registry", "--version")
    found = re.search(r"\d+(?:\.\d+)+", said)
    return found[0] if found else said.strip()


def signed_in(mirror: Mirror) -> tuple[str, ...]:
    """The header of a user who may pull the private image, with a token as clients get theirs."""
    for command in (
        ("user", "create", USER, "--password-stdin"),
        ("grant", "create", "--user", USER, REPOSITORY),
    ):
        mirror.manage(*command, given=PASSWORD)
    query = f"service=mirrorsite&scope=repository:{REPOSITORY}:pull"
    wanted = urllib.request.Request(
        f"{mirror.url}/v2/token?{query}", headers={"Authorization": basic(USER, PASSWORD)}
    )
    with urllib.request.urlopen(wanted) as answer:
        token = json.load(answer)["token"]
    return (f"Authorization: Bearer {token}",)


def _any_certificate(tls: tuple[Path, Path] | None) -> ssl.SSLContext | None:
    """What reaches a server that speaks TLS, if this one does."""
    if tls is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _memory(pid: int, what: str) -> int:
    """In KiB."""
    found = dict(_MEMORY.findall((PROC / str(pid) / "status").read_text()))
    return int(found.get(what, 0))
