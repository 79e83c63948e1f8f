"""A Docker engine of these tests' own, with the image built in it; and proxies before a mirror.

No registry is reached.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.deploy.base_image import SETTINGS, gather_wheels, make_base
from tests.deploy.proxies import Proxy, caddy, nginx
from tests.e2e.dockerd import Dockerd
from tests.e2e.mirror import PROJECT, Mirror
from tests.e2e.parts import require, require_root
from tests.e2e.processes import scratch
from tests.fakes.upstream import FakeUpstream

#: Of the image.
NAME = "mirrorsite"
PATIENCE = 300.0


@pytest.fixture(scope="session")
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


@pytest.fixture(scope="module", params=[nginx, caddy], ids=["nginx", "caddy"])
def front(request: pytest.FixtureRequest, mirror: Mirror) -> Iterator[Proxy]:
    """A program with its example file, before the mirror of the test's file."""
    start: Callable[[Path, str], Proxy] = request.param
    with scratch("front") as home, start(home, mirror.url) as proxy:
        yield proxy
