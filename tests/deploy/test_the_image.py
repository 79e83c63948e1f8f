"""The image is built by a Docker engine, and serves as deploy/compose.yaml has it run.

No registry is reached: the base is made of this machine's Debian packages (`base_image.py`), so
that the image is not built on `python:3.11-slim-bookworm` here.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.deploy.conftest import NAME
from tests.e2e import skopeo
from tests.e2e.dockerd import Dockerd
from tests.e2e.processes import environment, eventually, free_port
from tests.fakes.plain import NO_AUTHORITY
from tests.fakes.upstream import FakeUpstream

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]


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
        return httpx.get(
            f"http://{address}/readyz", trust_env=False, verify=NO_AUTHORITY
        ).is_success
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
