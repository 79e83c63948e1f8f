"""deploy/compose.yaml: read, and run, by the real docker-compose.

`postgres:17` and `caddy:2` cannot be fetched here. Stand-ins of Debian's own PostgreSQL and Caddy
have their names, and do with the composition's settings what those do.
"""

from __future__ import annotations

import resource
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.deploy.base_image import make_stand_in
from tests.deploy.conftest import PATIENCE
from tests.e2e import skopeo
from tests.e2e.dockerd import Dockerd
from tests.e2e.mirror import PROJECT
from tests.e2e.parts import require
from tests.e2e.processes import environment, eventually, free_port, run, scratch
from tests.fakes.upstream import FakeUpstream

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

#: Of the composition's network, which this machine is in, too, and of the front proxy in it.
SUBNET, GATEWAY, FRONT = "172.30.98.0/24", "172.30.98.1", "172.30.98.7"

POSTGRES = """\
#!/bin/sh
set -e
data=/var/lib/postgresql/data
bin=$(echo /usr/lib/postgresql/*/bin)
as="setpriv --reuid=100 --regid=100 --clear-groups"
chown 100:100 $data
if [ ! -s $data/PG_VERSION ]; then
    echo "$POSTGRES_PASSWORD" >/tmp/password
    $as $bin/initdb -D $data -E UTF8 -U "$POSTGRES_USER" -A scram-sha-256 --pwfile=/tmp/password
    echo "host all all all scram-sha-256" >>$data/pg_hba.conf
    echo "CREATE DATABASE $POSTGRES_DB;" | $as $bin/postgres --single -D $data postgres
fi
exec $as $bin/postgres -D $data -c listen_addresses="*" -c unix_socket_directories=
"""


def _composed(tmp_path: Path, **settings: str) -> dict[str, Any]:
    """The file as docker-compose understands it, which is not told to run anything here."""
    require("docker-compose")
    file = shutil.copy(PROJECT / "deploy/compose.yaml", tmp_path)
    ended = subprocess.run(
        ("docker-compose", "--file", str(file), "config"),
        env=environment(**settings),
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr
    composed: dict[str, Any] = yaml.safe_load(ended.stdout)
    return composed


def test_the_compose_file_runs_the_mirror_alone(tmp_path: Path) -> None:
    services = _composed(tmp_path)["services"]

    assert [name for name, service in services.items() if "profiles" not in service] == ["mirror"]
    mirror = services["mirror"]
    assert mirror["environment"]["DATABASE_URL"] == ""
    assert mirror["ports"] == ["0.0.0.0:5000:5000/tcp"]
    assert mirror["read_only"] is True
    assert mirror["cap_drop"] == ["ALL"]


def test_the_compose_file_has_a_profile_with_postgresql_and_tls(tmp_path: Path) -> None:
    url = "postgresql://mirrorsite:secret@database/mirrorsite"
    composed = _composed(
        tmp_path,
        COMPOSE_PROFILES="production",
        DATABASE_URL=url,
        MIRROR_LISTEN="127.0.0.1",
        MIRROR_NAME="mirror.example",
        POSTGRES_PASSWORD="secret",
    )
    services = composed["services"]

    assert {name for name, service in services.items() if "profiles" in service} == {
        "database",
        "front",
    }
    assert services["mirror"]["environment"]["DATABASE_URL"] == url
    assert services["mirror"]["ports"] == ["127.0.0.1:5000:5000/tcp"]
    assert services["front"]["environment"]["MIRROR_NAME"] == "mirror.example"
    assert services["database"]["environment"]["POSTGRES_PASSWORD"] == "secret"


@pytest.mark.parametrize("settings", [{}, {"MIRROR_SUBNET": SUBNET, "MIRROR_FRONT": FRONT}])
def test_the_front_proxy_alone_is_trusted(tmp_path: Path, settings: dict[str, str]) -> None:
    composed = _composed(tmp_path, COMPOSE_PROFILES="production", **settings)

    services = composed["services"]
    trusted = services["mirror"]["environment"]["REGISTRY_HTTP_TRUSTED_PROXIES"]
    assert trusted == services["front"]["networks"]["default"]["ipv4_address"]
    assert trusted == settings.get("MIRROR_FRONT", trusted)
    [network] = composed["networks"]["default"]["ipam"]["config"]
    assert network["subnet"] == settings.get("MIRROR_SUBNET", network["subnet"])
    # Docker gives its own addresses away from the first on, which is the gateway's: by that one
    # come clients of the published port, in some set-ups all of them.
    first, *_ = hosts = list(ip_network(network["subnet"]).hosts())
    assert ip_address(trusted) in hosts
    assert ip_address(trusted) != first
    assert all("networks" not in services[name] for name in ("mirror", "database"))


class Composition:
    """The compose file at work, with the ports that the test gives it."""

    def __init__(self, engine: Dockerd, folder: Path, **settings: str) -> None:
        self._engine = engine
        self._file = folder / "compose.yaml"
        self.port, self.secure_port = free_port(), free_port()
        shutil.copytree(PROJECT / "deploy", folder, dirs_exist_ok=True)
        composed = yaml.safe_load(self._file.read_text())
        # These are fixed, and taken on every address.
        composed["services"]["front"]["ports"] = [f"127.0.0.1:{self.secure_port}:443"]
        # A machine whose own limit is lower cannot give more.
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        assert composed["services"]["mirror"]["ulimits"] == {"nofile": 65536}
        composed["services"]["mirror"]["ulimits"] = {"nofile": min(65536, most)}
        self._file.write_text(yaml.safe_dump(composed))
        self._settings = {
            "DOCKER_HOST": engine.host,
            "HOME": str(folder),
            "MIRROR_LISTEN": "127.0.0.1",
            "MIRROR_PORT": str(self.port),
            "MIRROR_SUBNET": SUBNET,
            "MIRROR_FRONT": FRONT,
            **settings,
        }
        self.config = folder / "config.yml"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def compose(self, *command: str) -> str:
        whole = ("docker-compose", "--project-name", "mirrorsite", "--file", str(self._file))
        return run(*whole, *command, patience=PATIENCE, **self._settings)

    def running(self) -> set[str]:
        return set(self.compose("ps", "--services", "--filter", "status=running").split())

    def is_healthy(self) -> bool:
        [container] = self.compose("ps", "--quiet", "mirror").split()
        # Asked every 15 seconds, which a start may just have missed.
        return '"Status": "healthy"' in self._engine.docker("inspect", container)


@contextmanager
def composition(engine: Dockerd, **settings: str) -> Iterator[tuple[Composition, FakeUpstream]]:
    require("docker-compose", "skopeo")
    with scratch("composed") as folder:
        composed = Composition(engine, folder, **settings)
        try:
            # The network has to be there before somebody can listen in it.
            composed.compose("up", "--no-start", "--no-build")
            with FakeUpstream(GATEWAY) as upstream:
                text = composed.config.read_text()
                composed.config.write_text(f"{text}proxy: {{remoteurl: '{upstream.url}'}}\n")
                composed.compose("up", "--detach", "--no-build")
                yield composed, upstream
        except BaseException as error:
            error.add_note(composed.compose("logs", "--no-color"))
            raise
        finally:
            composed.compose("down", "--volumes")


def test_the_mirror_alone_runs(engine: Dockerd, tmp_path: Path) -> None:
    with composition(engine) as (composed, upstream):
        image = upstream.add_image("acme/image", "v1", [b"a layer" * 100_000])
        eventually(lambda: _answers(composed.url), "the mirror answers")
        eventually(composed.is_healthy, "the mirror is healthy")

        skopeo.copy(f"127.0.0.1:{composed.port}", "acme/image:v1", tmp_path / "image")

        assert skopeo.copied(tmp_path / "image") == {
            "manifest.json": image.manifest,
            **skopeo.blobs(image),
        }
        assert composed.running() == {"mirror"}
        composed.compose("stop")
        assert "Exit 0" in composed.compose("ps", "mirror")


def test_with_postgresql_and_tls_in_front_it_runs(engine: Dockerd, tmp_path: Path) -> None:
    require("initdb", "caddy")
    for name, package, start in (
        ("postgres:17", "postgresql-15", POSTGRES),
        ("caddy:2", "caddy", "#!/bin/sh\nexec caddy run --config /etc/caddy/Caddyfile\n"),
    ):
        make_stand_in(tmp_path / "image.tar", package, start)
        engine.docker(
            *("import", "--change", "ENV XDG_DATA_HOME=/data PATH=/usr/sbin:/usr/bin"),
            *("--change", 'CMD ["/start"]', str(tmp_path / "image.tar"), name),
            patience=PATIENCE,
        )
    with composition(
        engine,
        COMPOSE_PROFILES="production",
        MIRROR_NAME="localhost",
        POSTGRES_PASSWORD="Long1",
        DATABASE_URL="postgresql://mirrorsite:Long1@database/mirrorsite",
    ) as (composed, upstream):
        image = upstream.add_image("acme/image", "v1", [b"a layer" * 100_000])
        eventually(lambda: _answers(composed.url), "the mirror answers")
        eventually(composed.is_healthy, "the mirror is healthy")
        front = f"localhost:{composed.secure_port}"
        authority = tmp_path / "authority.pem"
        kept = "/data/caddy/pki/authorities/local/root.crt"
        authority.write_text(composed.compose("exec", "-T", "front", "cat", kept))
        eventually(lambda: _answers(f"https://{front}", authority), "the front passes on")

        skopeo.copy(front, "acme/image:v1", tmp_path / "image")

        assert image.manifest == skopeo.copied(tmp_path / "image")["manifest.json"]
        assert composed.running() == {"mirror", "database", "front"}
        assert _gives_cookies_for_tls(f"https://{front}", authority)
        assert not _gives_cookies_for_tls(composed.url)
        held = composed.compose("exec", "-T", "mirror", "ls", "/var/lib/mirrorsite")
        assert "mirror.sqlite3" not in held.split()


def _gives_cookies_for_tls(url: str, authority: Path | None = None) -> bool:
    """Also when the client claims that it came over TLS."""
    trust = ssl.create_default_context(cafile=authority)
    told = {"X-Forwarded-Proto": "https"}
    page = httpx.get(f"{url}/dashboard/login/", headers=told, verify=trust, trust_env=False)
    return "Secure" in page.headers["Set-Cookie"]


def _answers(url: str, authority: Path | None = None) -> bool:
    try:
        trust = ssl.create_default_context(cafile=authority)
        return httpx.get(f"{url}/readyz", verify=trust, trust_env=False).is_success
    except httpx.TransportError:
        return False
