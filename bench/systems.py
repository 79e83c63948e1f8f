"""What is measured: Mirrorsite, and Debian's docker-registry as a mirror."""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.plan import MIB
from tests.e2e.kernel import PROC, children
from tests.e2e.mirror import WORKERS, Mirror
from tests.e2e.processes import Daemon, environment, eventually, free_port, run
from tests.e2e.raw import pinged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cache.oci.digest import Digest

_RESIDENT = re.compile(r"^VmRSS:\s+(\d+) kB$", re.MULTILINE)

# As Debian's package sets it up, but no line is logged for a request: Mirrorsite is set up so, too.
_REGISTRY_CONFIG = """\
version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage:
  cache: {{blobdescriptor: inmemory}}
  filesystem: {{rootdirectory: {root}}}
http: {{addr: "{address}"}}
proxy: {{remoteurl: "{upstream}"}}
"""


@dataclass(frozen=True, slots=True)
class System:
    """A running server. `blob_path` tells where a blob stands once it is kept."""

    address: str
    daemon: Daemon
    blob_path: Callable[[Digest], Path]

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    def wait_until_kept(self, digest: Digest) -> None:
        """Return when the blob is whole in the store, which may be after a client has it."""
        eventually(self.blob_path(digest).exists, f"{digest} was kept")

    def resident_mib(self) -> float:
        """Memory of all its processes; what they share counts for each of them."""
        pids = (self.daemon.pid, *children(self.daemon.pid))
        return sum(_resident_kib(pid) for pid in pids) * 1024 / MIB


@contextmanager
def mirrorsite(home: Path, upstream_url: str, freshness: str = "0s") -> Iterator[System]:
    """Mirrorsite, which keeps everything in the new folder `home`."""
    home.mkdir()
    root = home / "data"
    mirror = Mirror(
        root,
        upstream_url,
        REGISTRY_PROXY_FRESHNESS=freshness,
        REGISTRY_LOG_ACCESSLOG_DISABLED="true",
    )

    def blob_path(digest: Digest) -> Path:
        return root / "blobs" / digest.algorithm / digest.hex[:2] / digest.hex

    with mirror:
        yield System(mirror.address, mirror, blob_path)


@contextmanager
def docker_registry(home: Path, upstream_url: str) -> Iterator[System]:
    """docker-registry in proxy mode, which keeps everything in the new folder `home`."""
    home.mkdir()
    root = home / "data"
    address = f"127.0.0.1:{free_port()}"
    settings = home / "config.yml"
    filled = _REGISTRY_CONFIG.format(root=root, address=address, upstream=upstream_url)
    settings.write_text(filled)

    def blob_path(digest: Digest) -> Path:
        blobs = root / "docker" / "registry" / "v2" / "blobs"
        return blobs / digest.algorithm / digest.hex[:2] / digest.hex / "data"

    def is_ready() -> bool:
        with pinged(address) as port:
            return port is not None

    daemon = Daemon(
        ("docker-registry", "serve", str(settings)),
        home / "registry.log",
        is_ready,
        # As many cores as Mirrorsite's processes can use.
        env=environment(GOMAXPROCS=str(WORKERS)),
    )
    with daemon:
        yield System(address, daemon, blob_path)


def docker_registry_version() -> str:
    """As "2.8.2"."""
    said = run("docker-registry", "--version")
    found = re.search(r"\d+(?:\.\d+)+", said)
    return found[0] if found else said.strip()


def _resident_kib(pid: int) -> int:
    found = _RESIDENT.search((PROC / str(pid) / "status").read_text())
    return int(found[1]) if found else 0
