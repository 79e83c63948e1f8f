"""nginx and Caddy with the files of `deploy/proxies`, changed only as an operator changes them."""

from __future__ import annotations

import ssl
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from tests.e2e.mirror import PROJECT
from tests.e2e.parts import require
from tests.e2e.processes import Daemon, environment, free_port
from tests.fakes.certificates import Authority

FILES = PROJECT / "deploy" / "proxies"

NGINX = """\
daemon off;
user {user};
worker_processes 1;
pid {home}/nginx.pid;
error_log stderr;
events {{}}
http {{
    log_format how '$request_method $request_uri $status $body_bytes_sent $uri "$sends_files"';
    access_log {home}/access.log how;
    client_body_temp_path {home}/body;
    proxy_temp_path {home}/proxy 1 2;
    fastcgi_temp_path {home}/fastcgi;
    uwsgi_temp_path {home}/uwsgi;
    scgi_temp_path {home}/scgi;
    include {home}/mirrorsite.conf;
}}
"""

CADDY = "{{\n\tadmin off\n\tauto_https disable_redirects\n\tstorage file_system {home}/caddy\n}}\n"


class Proxy(Daemon):
    """A front proxy that speaks TLS on loopback, with a certificate of its own in `home`."""

    def __init__(self, home: Path, command: tuple[str, ...], address: str) -> None:
        self.home = home
        self.address = address
        self.trust = ssl.create_default_context(cafile=home / "ca.pem")
        self.url = f"https://{address}"
        super().__init__(
            command,
            home / "proxy.log",
            self._is_ready,
            # Caddy makes a folder in its user's home, besides those of its own.
            env=environment(HOME=str(home), XDG_DATA_HOME=str(home), XDG_CONFIG_HOME=str(home)),
        )

    def _is_ready(self) -> bool:
        try:
            answer = httpx.get(f"{self.url}/v2/", verify=self.trust, trust_env=False)
        except httpx.TransportError:
            return False
        # A mirror that has something to protect asks who is there.
        return answer.status_code in (200, 401)


def nginx(home: Path, mirror_url: str, blobs: Path | None = None, user: str = "root") -> Proxy:
    """With `blobs`, the folder where it finds the blobs that it may send itself."""
    require("nginx", "openssl")
    certificate, key = Authority.make(home).sign("front", "127.0.0.1")
    address = f"127.0.0.1:{free_port()}"
    text = _changed(
        (FILES / "nginx.conf").read_text(),
        {
            "127.0.0.1:5000": urlsplit(mirror_url).netloc,
            "listen 443 ssl http2;": f"listen {address} ssl http2;",
            "    listen [::]:443 ssl http2;\n": "",
            "/etc/ssl/mirror.example.pem": str(certificate),
            "/etc/ssl/mirror.example.key": str(key),
            "/var/lib/mirrorsite/blobs": str(blobs or home / "no-blobs"),
        },
    )
    (home / "mirrorsite.conf").write_text(text)
    (home / "nginx.conf").write_text(NGINX.format(home=home, user=user))
    return Proxy(home, ("nginx", "-p", str(home), "-c", str(home / "nginx.conf")), address)


def caddy(home: Path, mirror_url: str) -> Proxy:
    require("caddy", "openssl")
    certificate, key = Authority.make(home).sign("front", "127.0.0.1")
    address = f"127.0.0.1:{free_port()}"
    text = _changed(
        (FILES / "Caddyfile").read_text(),
        {
            "{$MIRROR_NAME:mirror.example} {": f"https://{address} {{\n\ttls {certificate} {key}",
            "{$MIRROR_UPSTREAM:127.0.0.1:5000}": urlsplit(mirror_url).netloc,
        },
    )
    file = home / "Caddyfile"
    file.write_text(CADDY.format(home=home) + text)
    return Proxy(home, ("caddy", "run", "--config", str(file)), address)


def _changed(text: str, changes: dict[str, str]) -> str:
    for before, after in changes.items():
        assert text.count(before) == 1, before
        text = text.replace(before, after)
    return text
