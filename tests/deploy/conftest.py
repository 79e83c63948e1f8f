"""A Docker engine of these tests' own, with the image built in it. No registry is reached."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.deploy.base_image import SETTINGS, gather_wheels, make_base
from tests.e2e.dockerd import Dockerd
from tests.e2e.mirror import PROJECT
from tests.e2e.parts import require, require_root
from tests.e2e.processes import scratch

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
