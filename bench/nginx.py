"""nginx, serving the files of :mod:`bench.content`: as the upstream, and as the limit.

One program plays all parts, each on a port of its own: its processes serve one part at a time.
"""

from __future__ import annotations

import base64
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from cache.oci.media_types import OCI_MANIFEST
from tests.e2e.processes import Daemon, environment, free_port
from tests.e2e.raw import pinged

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.content import Content
    from tests.fakes.certificates import Authority

USER, PASSWORD = "mirror", "its-password"

_CONFIG = """\
daemon off;
pid {home}/nginx.pid;
error_log stderr crit;
user root;
worker_processes 2;
worker_rlimit_nofile 20000;
events {{ worker_connections 8000; }}
http {{
    client_body_temp_path {home}/body;
    proxy_temp_path {home}/proxy;
    fastcgi_temp_path {home}/fastcgi;
    uwsgi_temp_path {home}/uwsgi;
    scgi_temp_path {home}/scgi;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000;
    map_hash_bucket_size 256;
    log_format asked '$request_method $uri $body_bytes_sent';
    map $uri $digest {{
        ~^/v2/.*/(sha256:[0-9a-f]+)$ $1;
        {digests}
    }}
    access_log off;
    add_header Docker-Distribution-Api-Version registry/2.0;
    add_header Docker-Content-Digest $digest;
    root {root};
    server {{ listen {upstream}; access_log {log} asked; include {home}/registry.conf; }}
    server {{
        listen {private}; access_log off; include {home}/registry.conf;
        auth_basic registry; auth_basic_user_file {home}/users;
    }}
    server {{ listen {plain}; include {home}/registry.conf; }}
    server {{ listen {logging}; access_log {home}/access.log; include {home}/registry.conf; }}
    server {{
        listen {tls} ssl; include {home}/registry.conf;
        ssl_certificate {certificate}; ssl_certificate_key {key};
    }}
}}
"""

_REGISTRY = """\
location = /v2/ {{ default_type application/json; return 200 '{{}}'; }}
location ~ /manifests/ {{ default_type {manifest}; }}
location ~ /blobs/ {{ default_type application/octet-stream; }}
"""


@dataclass
class Asked:
    """What the upstream was asked for, read from its log as it grows."""

    log: Path
    _read: int = field(default=0, repr=False)

    def forget(self) -> None:
        """Begin anew."""
        self._read = self.log.stat().st_size

    def requests(self) -> list[tuple[str, str, int]]:
        """Method, path and bytes of the body of each request that has ended since."""
        with self.log.open("rb") as file:
            file.seek(self._read)
            lines = file.read().decode().splitlines()
        return [(method, path, int(size)) for method, path, size in map(str.split, lines)]


@dataclass(frozen=True, slots=True)
class Nginx:
    """Where each part is played. `private` wants USER and PASSWORD."""

    daemon: Daemon
    asked: Asked
    upstream: str
    private: str
    plain: str
    logging: str
    tls: str


@contextmanager
def nginx(home: Path, content: Content, authority: Authority) -> Iterator[Nginx]:
    """All parts, over all images that `content` has by now."""
    home.mkdir()
    asked = Asked(home / "asked.log")
    asked.log.touch()
    certificate, key = authority.sign("nginx", "127.0.0.1")
    addresses = {
        part: f"127.0.0.1:{free_port()}"
        for part in ("upstream", "private", "plain", "logging", "tls")
    }
    settings = home / "nginx.conf"
    settings.write_text(
        _CONFIG.format(
            home=home,
            root=content.root,
            log=asked.log,
            certificate=certificate,
            key=key,
            digests="\n".join(f"{path} {digest};" for path, digest in content.digests.items()),
            **addresses,
        )
    )
    (home / "registry.conf").write_text(_REGISTRY.format(manifest=OCI_MANIFEST))
    (home / "users").write_text(f"{USER}:{{PLAIN}}{PASSWORD}\n")

    def is_ready() -> bool:
        with pinged(addresses["upstream"]) as port:
            return port is not None

    command = ("nginx", "-p", str(home), "-c", str(settings))
    with Daemon(command, home / "error.log", is_ready, env=environment()) as daemon:
        yield Nginx(daemon, asked, **addresses)


def version() -> str:
    """As "1.22.1"."""
    said = subprocess.run(
        ("nginx", "-v"), check=True, capture_output=True, text=True, env=environment()
    )
    return said.stderr.strip().rpartition("/")[2]


def basic(user: str, password: str) -> str:
    """The header with which they sign in (RFC 7617)."""
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"
