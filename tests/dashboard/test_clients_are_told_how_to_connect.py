"""Files to copy for each client, with the address by which the viewer came; and their pulls."""

from __future__ import annotations

import json
import time
import tomllib
from dataclasses import replace
from html import unescape
from pathlib import Path

import pytest
import yaml
from django.test import Client

from cache import runtime
from cache.config import load
from cache.report import Reporter
from cache.runtime import Runtime
from dashboard.queries import clients
from tests.dashboard.conftest import SignedIn
from tests.fakes.upstream import FakeUpstream

pytestmark = pytest.mark.django_db

HOST = "mirror.example:5000"


@pytest.fixture
def files(mirror: Runtime, tmp_path: Path) -> dict[str, str]:
    """What a mirror of Docker Hub and ghcr.io has to offer, by path."""
    environ = {
        "MIRROR_CONFIG": "/dev/null",
        "REGISTRY_UPSTREAMS": "{ghcr.io: }",
        "REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY": str(tmp_path / "root"),
    }
    with runtime.using(replace(mirror, config=load(None, environ))):
        return {one.path: one.content for one in clients.snippets("http", HOST)}


def test_docker(files: dict[str, str]) -> None:
    assert json.loads(files["/etc/docker/daemon.json"]) == {
        "registry-mirrors": [f"http://{HOST}"],
        "insecure-registries": [HOST],
    }


def test_containerd_has_a_file_for_each_registry(files: dict[str, str]) -> None:
    for registry, server in (
        ("docker.io", "https://registry-1.docker.io"),
        ("ghcr.io", "https://ghcr.io"),
    ):
        content = tomllib.loads(files[f"/etc/containerd/certs.d/{registry}/hosts.toml"])
        assert content["server"] == server
        assert content["host"] == {f"http://{HOST}": {"capabilities": ["pull", "resolve"]}}


def test_podman_reaches_others_by_their_path(files: dict[str, str]) -> None:
    content = tomllib.loads(files["/etc/containers/registries.conf.d/mirrorsite.conf"])
    assert [
        (registry["prefix"], registry["mirror"][0]["location"]) for registry in content["registry"]
    ] == [("docker.io", HOST), ("ghcr.io", f"{HOST}/ghcr.io")]


def test_k3s(files: dict[str, str]) -> None:
    assert yaml.safe_load(files["/etc/rancher/k3s/registries.yaml"]) == {
        "mirrors": {name: {"endpoint": [f"http://{HOST}"]} for name in ("docker.io", "ghcr.io")}
    }


def test_the_page_has_the_address_by_which_one_came(signed_in: SignedIn, mirror: Runtime) -> None:
    page = signed_in("viewer").get("/dashboard/connect/", headers={"Host": HOST}).content.decode()
    assert f'"registry-mirrors": [\n    "http://{HOST}"' in unescape(page)


def test_a_pull_is_seen(
    signed_in: SignedIn, mirror: Runtime, upstream: FakeUpstream, client: Client
) -> None:
    viewer = signed_in("viewer")
    since = time.time()
    url = f"/dashboard/connect/pulls/?since={since}"
    assert "Waiting for a pull" in viewer.get(url).content.decode()
    upstream.add_image("library/busybox", "latest")
    client.head("/v2/library/busybox/manifests/latest", headers={"User-Agent": "docker/29.7"})
    Reporter(mirror).show(time.time())
    page = viewer.get(url).content.decode()
    assert "docker/29.7 from 127.0.0.1" in page
    assert "library/busybox</strong> latest" in page
    later = viewer.get(f"/dashboard/connect/pulls/?since={time.time()}").content.decode()
    assert "Waiting for a pull" in later
