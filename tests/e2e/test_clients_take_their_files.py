"""What `manage.py client_config` prints is taken by the real clients, and makes them pull here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.e2e.containerd import Containerd
from tests.e2e.counting import CountingProxy
from tests.e2e.dockerd import Dockerd
from tests.e2e.images import busybox_image, push
from tests.e2e.mirror import PROJECT, Mirror
from tests.e2e.parts import require, require_root
from tests.e2e.podman import Podman
from tests.e2e.processes import PATIENCE, environment, scratch

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.e2e

OTHER = "other.example"


@pytest.fixture(scope="module")
def settings(upstream: CountingProxy) -> dict[str, str]:
    """A mirror of two registries, of which the second is the same one under another name."""
    return {"REGISTRY_UPSTREAMS": f"{{{OTHER}: {{remoteurl: '{upstream.url}'}}}}"}


@pytest.fixture(scope="module")
def mirror(upstream: CountingProxy, settings: dict[str, str]) -> Iterator[Mirror]:
    with (
        scratch("mirror") as home,
        # localhost is another address than 127.0.0.1, and so another upstream.
        Mirror(home / "data", upstream.url.replace("127.0.0.1", "localhost"), **settings) as mirror,
    ):
        yield mirror


def _told(*arguments: str, **settings: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of the command."""
    ended = subprocess.run(
        (sys.executable, "manage.py", "client_config", *arguments),
        cwd=PROJECT,
        env=environment(MIRROR_CONFIG="/dev/null", **settings),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    return ended.returncode, ended.stdout, ended.stderr


def _printed(*arguments: str, **settings: str) -> str:
    code, out, err = _told(*arguments, **settings)
    assert code == 0, err
    return out


@pytest.fixture
def home() -> Iterator[Path]:
    with scratch("client") as home:
        yield home


def test_dockerd_takes_its_file(
    registry: str, front: CountingProxy, settings: dict[str, str], home: Path
) -> None:
    require("dockerd", "docker", "containerd", "runc")
    require_root()
    push(registry, "library/told-docker", "1", busybox_image("dockerd was told"))
    file = home / "daemon.json"
    file.write_text(_printed("docker", "--url", front.url, **settings))

    with Dockerd(home, file) as daemon:
        daemon.pull("told-docker:1")

        assert daemon.run("told-docker:1") == "dockerd was told\n"
    assert front.gets("library/told-docker")


def test_containerd_takes_a_file_for_each_registry(
    registry: str, front: CountingProxy, settings: dict[str, str], home: Path
) -> None:
    require("containerd", "ctr", "runc")
    require_root()
    push(registry, "library/told-ctr", "1", busybox_image("containerd was told"))
    for name in ("docker.io", OTHER):
        file = home / "hosts" / name / "hosts.toml"
        file.parent.mkdir(parents=True)
        options = ("--url", front.url, "--registry", name)
        file.write_text(_printed("containerd", *options, **settings))

    with Containerd(home, front.url, registries=()) as daemon:
        for name in ("docker.io", OTHER):
            front.forget()
            daemon.pull(f"{name}/library/told-ctr:1")

            assert daemon.run(f"{name}/library/told-ctr:1") == "containerd was told\n"
            assert front.seen("HEAD", f"/told-ctr/manifests/1[?]ns={name}$")


def test_podman_takes_a_file_for_all_registries(
    registry: str, front: CountingProxy, settings: dict[str, str], home: Path
) -> None:
    require("podman")
    require_root()
    push(registry, "library/told-podman", "1", busybox_image("podman was told"))
    text = _printed("podman", "--url", front.url, **settings)

    podman = Podman(home, "", registries=text)
    for name, path in (("docker.io", ""), (OTHER, f"{OTHER}/")):
        front.forget()
        podman.pull(f"{name}/library/told-podman:1")

        files = podman.unpacked(f"{name}/library/told-podman:1")
        assert (files / "etc/greeting").read_text() == "podman was told\n"
        assert front.seen("GET", f"^/v2/{path}library/told-podman/manifests/1$")


def test_k3s_gets_the_file_that_its_documentation_describes(settings: dict[str, str]) -> None:
    # k3s itself is in no Debian package: its file is only read here.
    text = _printed("k3s", "--url", "https://mirror.example", **settings)

    assert yaml.safe_load(text) == {
        "mirrors": {
            "docker.io": {"endpoint": ["https://mirror.example"]},
            OTHER: {"endpoint": ["https://mirror.example"]},
        }
    }


def test_tls_is_told_from_plain_http() -> None:
    tls = ("--url", "https://mirror.example")

    assert "insecure" not in _printed("docker", *tls)
    assert "insecure" not in _printed("podman", *tls)
    assert '[host."https://mirror.example"]' in _printed("containerd", *tls)
    plain = json.loads(_printed("docker", "--url", "http://mirror.example:5000/"))
    assert plain["registry-mirrors"] == ["http://mirror.example:5000"]
    assert plain["insecure-registries"] == ["mirror.example:5000"]


def test_the_address_is_the_listeners_unless_another_is_given() -> None:
    code, out, err = _told("docker", REGISTRY_HTTP_ADDR="127.0.0.1:5123")

    assert code == 0
    assert json.loads(out)["registry-mirrors"] == ["http://127.0.0.1:5123"]
    assert "file: /etc/docker/daemon.json" in err
    assert "127.0.0.1 is reached from this machine only" in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("docker", "--registry", OTHER), "Docker asks mirrors for docker.io alone: pull images"),
        (("docker", "--registry", "quay.io"), f"this mirror serves docker.io, {OTHER}"),
        (("docker", "--url", "https://u:p@mirror.example"), "found an address with a user (not"),
        (("docker", "--url", 'https://mirror"/'), "found"),
        (("docker", "--url", "mirror.example"), "allowed http:// or https://"),
        (("nomad",), "invalid choice"),
    ],
)
def test_a_mistake_gets_a_sentence(arguments: tuple[str, ...], said: str) -> None:
    code, out, err = _told(*arguments, REGISTRY_UPSTREAMS=f"{{{OTHER}: {{}}}}")

    assert (code, out) == (2, "")
    assert said in err
    assert "Traceback" not in err
