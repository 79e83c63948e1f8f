"""The private repository, pulled by the clients that people have, each in its own way."""

from __future__ import annotations

import base64
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.access.conftest import MIRRORS_OWN, PASSWORD, PRIVATE, House, hiding_upstream
from tests.e2e import skopeo
from tests.e2e.containerd import Containerd
from tests.e2e.counting import CountingProxy
from tests.e2e.dockerd import Dockerd
from tests.e2e.images import busybox_image
from tests.e2e.mirror import PROJECT
from tests.e2e.parts import require, require_root
from tests.e2e.podman import Podman
from tests.e2e.processes import Daemon, environment, free_port, run, scratch
from tests.fakes.upstream import FakeUpstream

pytestmark = pytest.mark.e2e

GREETING = "hello from the private image"
IMAGE = f"{PRIVATE}:real"

#: An address of this machine alone that Docker's daemon does not take for its own: of those it
#: asks for no certificate and shows none (RFC 5737 keeps it out of every network).
FOREIGN = "192.0.2.53"


@pytest.fixture(scope="module")
def real(start_house: Callable[..., House]) -> House:
    """A house whose private image can be run, with somebody who may pull it."""
    require("busybox")
    house = start_house()
    _furnish(house)
    return house


def _furnish(house: House) -> None:
    house.upstream.put_image(PRIVATE, busybox_image(GREETING, docker=True), "real")
    house.upstream.put_image("library/open", busybox_image("open to all", docker=True), "1")
    house.add_user("alice")
    upstream = f"127.0.0.1:{house.upstream.port}"
    house.manage("grant", "create", "--user", "alice", "acme/*", "--upstream", upstream)


@pytest.fixture(scope="module")
def token(real: House) -> str:
    made: str = real.manage("token", "create", "alice", "machine")["token"]
    return made


@pytest.fixture(scope="module")
def dockerd(real: House) -> Iterator[Dockerd]:
    """A daemon whose mirror is the house's, and that signs in nowhere by itself."""
    require("dockerd", "docker", "containerd", "runc")
    require_root()
    with scratch("dockerd") as home, Dockerd(home, real.url) as daemon:
        yield daemon


def test_docker_login_and_pull(real: House, dockerd: Dockerd) -> None:
    reference = f"{real.mirror.address}/{IMAGE}"
    with pytest.raises(AssertionError, match=r"denied|unauthorized|access"):
        dockerd.pull(reference)
    with pytest.raises(AssertionError, match=r"unauthorized|user name or password"):
        dockerd.login(real.mirror.address, "alice", "wrong")

    assert "Login Succeeded" in dockerd.login(real.mirror.address, "alice", PASSWORD)
    dockerd.pull(reference)

    assert dockerd.run(reference) == f"{GREETING}\n"


def test_an_anonymous_daemon_pulls_what_is_public(dockerd: Dockerd) -> None:
    dockerd.pull("open:1")

    assert dockerd.run("open:1") == "open to all\n"


def test_an_anonymous_daemon_does_not_get_what_is_private(dockerd: Dockerd) -> None:
    with pytest.raises(AssertionError):
        dockerd.pull(IMAGE)


def test_a_daemon_with_a_token_in_its_mirrors_address(real: House, token: str) -> None:
    require("dockerd", "docker", "containerd", "runc")
    require_root()
    # Before 24.0.8, a daemon took no mirror with a path: then something in front adds it.
    with (
        scratch("dockerd") as home,
        CountingProxy(f"{real.url}/t/{token}") as front,
        Dockerd(home, front.url) as daemon,
    ):
        daemon.pull(IMAGE)
        daemon.pull("open:1")

        assert daemon.run(IMAGE) == f"{GREETING}\n"
    assert token not in real.mirror.log


def test_skopeo_with_credentials(real: House, token: str, folder: Path) -> None:
    require("skopeo")
    for name, password in (("alice", PASSWORD), ("machine", token)):
        place = folder / name
        skopeo.copy(real.mirror.address, IMAGE, place, "--src-creds", f"{name}:{password}")
        image = busybox_image(GREETING, docker=True)
        assert skopeo.copied(place)["manifest.json"] == image.manifest
    with pytest.raises(AssertionError, match=r"unauthorized|denied"):
        skopeo.copy(real.mirror.address, IMAGE, folder / "nobody")
    with pytest.raises(AssertionError, match=r"unauthorized|denied|credentials|password"):
        skopeo.copy(real.mirror.address, IMAGE, folder / "x", "--src-creds", "alice:wrong")


def test_podman_login_and_pull(real: House) -> None:
    require("podman")
    require_root()
    with scratch("podman") as home:
        podman = Podman(home, real.mirror.address)
        with pytest.raises(AssertionError):
            podman.pull_from(real.mirror.address, IMAGE)
        podman.login(real.mirror.address, "alice", PASSWORD)

        podman.pull_from(real.mirror.address, IMAGE)

        files = podman.unpacked(f"{real.mirror.address}/{IMAGE}")
        assert (files / "etc/greeting").read_text() == f"{GREETING}\n"


def test_ctr_with_a_user(real: House) -> None:
    require("containerd", "ctr", "runc")
    require_root()
    with scratch("containerd") as home, Containerd(home, real.url) as daemon:
        reference = f"{real.mirror.address}/{IMAGE}"
        daemon.pull_as("alice", PASSWORD, reference)

        assert daemon.run(reference) == f"{GREETING}\n"
        with pytest.raises(AssertionError):
            daemon.pull(f"docker.io/{IMAGE}")


def test_containerd_with_a_token_in_the_path(real: House, token: str) -> None:
    require("containerd", "ctr", "runc")
    require_root()
    with (
        scratch("containerd") as home,
        Containerd(home, f"{real.url}/t/{token}/v2", override_path=True) as daemon,
    ):
        daemon.pull(f"docker.io/{IMAGE}")

        assert daemon.run(f"docker.io/{IMAGE}") == f"{GREETING}\n"
    assert token not in real.mirror.log


@pytest.mark.parametrize("scheme", ["Basic", "Bearer"])
def test_containerd_with_a_header_in_its_hosts_file(real: House, token: str, scheme: str) -> None:
    require("containerd", "ctr", "runc")
    require_root()
    basic = base64.b64encode(f"machine:{token}".encode()).decode()
    authorization = f"Bearer {token}" if scheme == "Bearer" else f"Basic {basic}"
    with (
        scratch("containerd") as home,
        Containerd(home, real.url, authorization=authorization) as daemon,
    ):
        daemon.pull(f"docker.io/{IMAGE}")

        assert daemon.run(f"docker.io/{IMAGE}") == f"{GREETING}\n"


@pytest.fixture
def folder() -> Iterator[Path]:
    with scratch("pulled") as path:
        yield path


def test_a_daemon_with_a_client_certificate() -> None:
    require("dockerd", "docker", "containerd", "runc", "openssl", "busybox", "ip")
    require_root()
    with scratch("tls") as home, _foreign_address(), FakeUpstream() as upstream:
        hiding_upstream(upstream)
        _certificates(home)
        address = f"{FOREIGN}:{free_port()}"
        environ = environment(
            MIRROR_CONFIG="/dev/null",
            REGISTRY_HTTP_ADDR=address,
            REGISTRY_HTTP_TLS_CERTIFICATE=str(home / "mirror.pem"),
            REGISTRY_HTTP_TLS_KEY=str(home / "mirror.key"),
            REGISTRY_HTTP_TLS_CLIENTCAS=f"[{home / 'ca.pem'}]",
            REGISTRY_HTTP_TLS_CLIENTAUTH="verify-client-cert-if-given",
            REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY=str(home / "data"),
            REGISTRY_PROXY_REMOTEURL=upstream.url,
            WEB_CONCURRENCY="2",
            **MIRRORS_OWN,
        )
        command = (sys.executable, "manage.py", "serve")
        mirror = Daemon(
            command, home / "mirror.log", lambda: _listens(address), env=environ, cwd=PROJECT
        )
        with mirror:
            _let_alice_in(environ, upstream)
            _pull_with_certificates(home, address)


def _let_alice_in(environ: dict[str, str], upstream: FakeUpstream) -> None:
    upstream.put_image(PRIVATE, busybox_image(GREETING, docker=True), "real")
    registry = f"127.0.0.1:{upstream.port}"
    for words in (
        ("user", "create", "alice", "--no-password"),
        ("user", "create", "bob", "--no-password"),
        ("grant", "create", "--user", "alice", "acme/*", "--upstream", registry),
    ):
        subprocess.run((sys.executable, "manage.py", *words), cwd=PROJECT, env=environ, check=True)


def _pull_with_certificates(home: Path, address: str) -> None:
    """The same daemon with alice's certificate, with bob's, and with none."""
    for who, may in (("alice", True), ("bob", False), (None, False)):
        with (
            _shown_to(address, home, who),
            scratch("dockerd") as place,
            Dockerd(place, f"https://{address}") as daemon,
        ):
            if may:
                daemon.pull(IMAGE)
                assert daemon.run(IMAGE) == f"{GREETING}\n"
            else:
                with pytest.raises(AssertionError):
                    daemon.pull(IMAGE)


@contextmanager
def _foreign_address() -> Iterator[None]:
    run("ip", "address", "add", f"{FOREIGN}/32", "dev", "lo")
    try:
        yield
    finally:
        run("ip", "address", "del", f"{FOREIGN}/32", "dev", "lo")


@contextmanager
def _shown_to(address: str, home: Path, who: str | None) -> Iterator[None]:
    """Have Docker's daemons trust the mirror, and show it somebody's certificate."""
    folder = Path("/etc/docker/certs.d") / address
    folder.mkdir(parents=True)
    try:
        shutil.copy(home / "ca.pem", folder / "ca.crt")
        if who is not None:
            shutil.copy(home / f"{who}.pem", folder / "client.cert")
            shutil.copy(home / f"{who}.key", folder / "client.key")
        yield
    finally:
        shutil.rmtree(folder)


def _certificates(home: Path) -> None:
    """An authority, and what it has signed: for the mirror, for alice and for bob."""
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    _openssl(home, "req", "-x509", *key, "-subj", "/CN=authority",
             "-keyout", "ca.key", "-out", "ca.pem")  # fmt: skip
    for name, extra in (
        ("mirror", f"subjectAltName=IP:{FOREIGN}"),
        ("alice", "extendedKeyUsage=clientAuth"),
        ("bob", "extendedKeyUsage=clientAuth"),
    ):
        _openssl(home, "req", *key, "-subj", f"/CN={name}", "-addext", extra,
                 "-keyout", f"{name}.key", "-out", f"{name}.csr")  # fmt: skip
        _openssl(home, "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
                 "-CAcreateserial", "-copy_extensions", "copy", "-out", f"{name}.pem")  # fmt: skip


def _openssl(home: Path, *arguments: str) -> None:
    subprocess.run(("openssl", *arguments), cwd=home, check=True, capture_output=True)


def _listens(address: str) -> bool:
    host, _, port = address.rpartition(":")
    with closing(socket.socket()) as trial:
        return trial.connect_ex((host, int(port))) == 0
