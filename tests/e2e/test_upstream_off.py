"""Upstream off: what was pulled before can still be pulled, also after a restart."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from tests.e2e import skopeo
from tests.e2e.counting import CountingProxy
from tests.e2e.dockerd import Dockerd
from tests.e2e.images import busybox_image, push, two_platform_index
from tests.e2e.mirror import Mirror
from tests.e2e.parts import require
from tests.fakes.plain import NO_AUTHORITY

pytestmark = pytest.mark.e2e


def test_an_emptied_docker_daemon_pulls_and_runs(
    registry: str, upstream: CountingProxy, dockerd: Dockerd
) -> None:
    greeting = "upstream is off"
    push(registry, "library/off", "1", two_platform_index(greeting))
    dockerd.pull("off:1")
    dockerd.forget()

    with upstream.switched_off():
        dockerd.pull("off:1")

    assert dockerd.run("off:1") == f"{greeting}\n"


def test_a_tag_that_could_not_be_checked_says_so(
    registry: str, upstream: CountingProxy, mirror: Mirror
) -> None:
    image = busybox_image("upstream is off, and this may be old")
    push(registry, "off-tag", "1", image)
    assert "Warning" not in _manifest(mirror, "off-tag", "1").headers

    with upstream.switched_off():
        answer = _manifest(mirror, "off-tag", "1")

    assert answer.content == image.manifest
    assert answer.headers["X-Cache"] == "STALE"
    assert answer.headers["Warning"].startswith("110 ")  # RFC 7234, 5.5.1


def test_the_mirror_starts_and_serves(
    registry: str, upstream: CountingProxy, mirror: Mirror, folder: Path
) -> None:
    require("skopeo")
    index = two_platform_index("upstream is off at the start")
    push(registry, "off-at-start", "1", index)
    skopeo.copy(mirror.address, "off-at-start:1", folder / "before", "--all")

    with upstream.switched_off():
        mirror.stop()
        mirror.start()
        skopeo.copy(mirror.address, "off-at-start:1", folder / "after", "--all")

    assert skopeo.copied(folder / "after") == skopeo.copied(folder / "before")


def _manifest(mirror: Mirror, repository: str, tag: str) -> httpx.Response:
    url = f"{mirror.url}/v2/{repository}/manifests/{tag}"
    return httpx.get(
        url, headers={"Accept": "*/*"}, trust_env=False, verify=NO_AUTHORITY
    ).raise_for_status()
