"""The parts of an end-to-end test: a registry, the mirror in front of it, and real clients."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.containerd import Containerd
from tests.e2e.counting import CountingProxy
from tests.e2e.dockerd import Dockerd
from tests.e2e.mirror import Mirror
from tests.e2e.parts import require, require_root
from tests.e2e.processes import LOG_TAIL, scratch
from tests.e2e.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def registry() -> Iterator[str]:
    """The address of a real registry. Images are pushed here, past the counting."""
    require("docker-registry", "busybox")
    with scratch("registry") as home, Registry(home) as registry:
        yield registry.url


@pytest.fixture(scope="module")
def upstream(registry: str) -> Iterator[CountingProxy]:
    """What the mirror sees of the registry: counted, and with a switch."""
    with CountingProxy(registry) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def mirror(upstream: CountingProxy) -> Iterator[Mirror]:
    """A mirror that holds nothing when the module's tests begin."""
    with scratch("mirror") as home, Mirror(home / "data", upstream.url) as mirror:
        yield mirror


@pytest.fixture(scope="module")
def front(mirror: Mirror) -> Iterator[CountingProxy]:
    """What clients see of the mirror: counts what they ask."""
    with CountingProxy(mirror.url) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def dockerd(front: CountingProxy) -> Iterator[Dockerd]:
    """A Docker daemon with the mirror as its registry mirror."""
    require("dockerd", "docker", "containerd", "runc")
    require_root()
    with scratch("dockerd") as home, Dockerd(home, front.url) as daemon:
        yield daemon


@pytest.fixture(scope="module")
def containerd(front: CountingProxy) -> Iterator[Containerd]:
    """A containerd whose `hosts.toml` names the mirror for docker.io."""
    require("containerd", "ctr", "runc")
    require_root()
    with scratch("containerd") as home, Containerd(home, front.url) as daemon:
        yield daemon


@pytest.fixture
def folder() -> Iterator[Path]:
    """An empty folder for what a client fetches."""
    with scratch("pulled") as path:
        yield path


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Function,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the mirror's log with the failure of a test that uses one."""
    report = yield
    mirror = item.funcargs.get("mirror")
    if report.failed and isinstance(mirror, Mirror):
        report.sections.append(("End of the mirror's log", mirror.log[-LOG_TAIL:]))
    return report
