"""The image is built by a Docker engine, and serves as deploy/compose.yaml has it run.

No registry is reached: the base is made of this machine's Debian packages (`base_image.py`), so
that the image is not built on `python:3.11-slim-bookworm` here.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.deploy.base_image import SETTINGS, gather_wheels, make_base
from tests.e2e import skopeo
from tests.e2e.dockerd import Dockerd
from tests.e2e.mirror import PROJECT
from tests.e2e.parts import require, require_root
from tests.e2e.processes import environment, eventually, free_port, scratch
from tests.fakes.upstream import FakeUpstream

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

NAME = "mirrorsite"
PATIENCE = 300.0


@pytest.fixture(scope="module")
def engine() -> Iterator[Dockerd]:
    require("dockerd", "docker", "containerd", "runc", "dpkg-query", "skopeo")
    require_root()
    with scratch("engine") as home, Dockerd(home, "http://127.0.0.1:1") as engine:
        wheels = home / "wheels"
        wheels.mkdir()
        gather_wheels(wheels)
        make_base(home / "base.tar", wheels)
        changes = (word for line in SETTINGS for word in ("--change", line))
        engine.docker("import", *changes, str(home / "base.tar"), "base", patience=PATIENCE)
        engine.docker(
            *("build", "--network", "none", "--build-arg", "BASE=base", "--tag", NAME),
            *("--file", str(PROJECT / "deploy/Dockerfile"), str(PROJECT)),
            patience=PATIENCE,
        )
        yield engine


@pytest.fixture(scope="module")
def upstream() -> Iterator[FakeUpstream]:
    with FakeUpstream() as upstream:
        yield upstream


@pytest.fixture(scope="module")
def address(engine: Dockerd, upstream: FakeUpstream) -> Iterator[str]:
    """A container as compose.yaml runs it, but on the host's network, where the fakes are."""
    address = f"127.0.0.1:{free_port()}"
    engine.docker(
        *("run", "--detach", "--name", NAME, "--network", "host"),
        *("--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL"),
        *("--security-opt", "no-new-privileges:true", "--volume", "store:/var/lib/mirrorsite"),
        *("--env", f"REGISTRY_HTTP_ADDR={address}"),
        *("--env", f"REGISTRY_PROXY_REMOTEURL={upstream.url}"),
        NAME,
    )
    try:
        eventually(lambda: _answers(address), "the container's mirror answers")
        yield address
    finally:
        engine.docker("rm", "--force", "--volumes", NAME)


def _answers(address: str) -> bool:
    try:
        return httpx.get(f"http://{address}/readyz", trust_env=False).is_success
    except httpx.TransportError:
        return False


def _inspected(engine: Dockerd, *what: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(engine.docker("inspect", *what))[0]
    return found


def test_clients_pull_through_the_container(
    address: str, upstream: FakeUpstream, tmp_path: Path
) -> None:
    image = upstream.add_image("acme/image", "v1", [b"a layer" * 100_000])

    skopeo.copy(address, "acme/image:v1", tmp_path / "image")

    assert skopeo.copied(tmp_path / "image") == {
        "manifest.json": image.manifest,
        **skopeo.blobs(image),
    }


def test_it_has_no_rights_and_writes_nothing_but_its_volume(engine: Dockerd, address: str) -> None:
    who = engine.docker("exec", NAME, "id").strip()
    status = engine.docker("exec", NAME, "cat", "/proc/1/status")
    changed = engine.docker("diff", NAME).split("\n")

    assert who == "uid=10001(mirrorsite) gid=10001(mirrorsite) groups=10001(mirrorsite)"
    assert "CapEff:\t0000000000000000" in status
    assert "NoNewPrivs:\t1" in status
    assert [line for line in changed if line and "/tmp" not in line] == []


def test_the_engine_finds_it_healthy_and_ill(engine: Dockerd, address: str) -> None:
    check = ("exec", NAME, "python", "-m", "cache.probe")
    assert engine.docker(*check) == ""

    ended = subprocess.run(
        engine.command(
            *("exec", "--env", f"REGISTRY_HTTP_ADDR=127.0.0.1:{free_port()}"), *check[1:]
        ),
        env=environment(),
        capture_output=True,
    )
    assert ended.returncode == 1, "where nothing listens, nothing lives"
    config = _inspected(engine, NAME)["Config"]
    assert isinstance(config, dict)
    assert config["Healthcheck"]["Test"] == ["CMD", "python", "-m", "cache.probe"]
    eventually(lambda: '"Status": "healthy"' in engine.docker("inspect", NAME), "it is healthy")


def test_its_commands_are_there(engine: Dockerd, address: str) -> None:
    doctor = engine.docker("exec", NAME, "python", "/opt/mirrorsite/manage.py", "doctor")
    client = engine.docker("run", "--rm", "--network", "none", NAME, "client_config", "podman")

    assert "the mirror is ready" in doctor
    assert "[[registry.mirror]]" in client


def test_a_stop_is_soon_and_clean(engine: Dockerd, address: str) -> None:
    engine.docker("stop", "--time", "30", NAME)
    state = _inspected(engine, NAME)["State"]
    engine.docker("start", NAME)

    assert isinstance(state, dict)
    assert state["ExitCode"] == 0
    eventually(lambda: _answers(address), "it is back")


def test_it_holds_what_it_needs_and_nothing_of_ours(engine: Dockerd) -> None:
    shell = ("run", "--rm", "--network", "none", "--entrypoint", "ls", NAME)
    held = set(engine.docker(*shell, "-A", "/opt/mirrorsite").split())

    assert {"manage.py", "cache", "mirrorsite", ".venv", "deploy"} <= held
    assert not held & {"tests", "bench", "data", ".git", ".cache", "config.yml", "docs"}
    inner = engine.docker(*shell, "-A", "/opt/mirrorsite/.venv/bin").split()
    assert "pip" not in inner


def _composed(tmp_path: Path, **settings: str) -> dict[str, Any]:
    """The services as docker-compose understands the file; it is not told to run them here."""
    require("docker-compose")
    file = shutil.copy(PROJECT / "deploy/compose.yaml", tmp_path)
    ended = subprocess.run(
        ("docker-compose", "--file", str(file), "config"),
        env=environment(**settings),
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr
    services: dict[str, Any] = yaml.safe_load(ended.stdout)["services"]
    return services


def test_the_compose_file_runs_the_mirror_alone(tmp_path: Path) -> None:
    services = _composed(tmp_path)

    assert [name for name, service in services.items() if "profiles" not in service] == ["mirror"]
    mirror = services["mirror"]
    assert mirror["environment"] == {"DATABASE_URL": ""}
    assert mirror["ports"] == ["0.0.0.0:5000:5000/tcp"]
    assert mirror["read_only"] is True
    assert mirror["cap_drop"] == ["ALL"]


def test_the_compose_file_has_a_profile_with_postgresql_and_tls(tmp_path: Path) -> None:
    url = "postgresql://mirrorsite:secret@database/mirrorsite"
    services = _composed(
        tmp_path,
        COMPOSE_PROFILES="production",
        DATABASE_URL=url,
        MIRROR_LISTEN="127.0.0.1",
        MIRROR_NAME="mirror.example",
        POSTGRES_PASSWORD="secret",
    )

    assert {name for name, service in services.items() if "profiles" in service} == {
        "database",
        "front",
    }
    assert services["mirror"]["environment"] == {"DATABASE_URL": url}
    assert services["mirror"]["ports"] == ["127.0.0.1:5000:5000/tcp"]
    assert services["front"]["environment"]["MIRROR_NAME"] == "mirror.example"
    assert services["database"]["environment"]["POSTGRES_PASSWORD"] == "secret"
