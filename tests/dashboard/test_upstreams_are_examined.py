"""Upstreams: the configuration without its secrets, and a test that names the step that fails."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from django.test import Client

from cache import report, runtime
from cache.config import load
from cache.diagnosis import Step
from cache.runtime import Runtime
from cache.upstream.breaker import FAILURES
from dashboard.queries import upstreams
from tests.dashboard.conftest import SignedIn
from tests.fakes.faults import Fault
from tests.fakes.upstream import FakeUpstream

SECRET = "hunter2hunter2"

pytestmark = pytest.mark.django_db


def examine(mirror: Runtime, image: str = "library/thing:v1") -> list[Step]:
    return upstreams.examine(mirror.config.proxy, image)


def test_all_is_well(mirror: Runtime, upstream: FakeUpstream) -> None:
    image = upstream.add_image("library/thing", "v1")
    steps = examine(mirror)
    assert [step.went_well for step in steps] == [True, True, True, True]
    assert steps[0].says == "127.0.0.1"
    assert steps[-1].says == f"it is {image.digest}"


def test_without_an_image_the_last_step_is_left_out(mirror: Runtime) -> None:
    assert len(examine(mirror, "")) == 3


def test_the_step_that_fails_is_named_and_the_rest_is_not_tried(
    mirror: Runtime, upstream: FakeUpstream
) -> None:
    upstream.stop()
    steps = examine(mirror)
    assert [step.went_well for step in steps] == [True, False, None, None]
    assert steps[1].says == "no connection: Connection refused"


def test_a_registry_that_fails(mirror: Runtime, upstream: FakeUpstream) -> None:
    upstream.misbehave(Fault(status=500), path="/v2/$")
    steps = examine(mirror)
    assert [step.went_well for step in steps] == [True, True, False, None]
    assert "500" in steps[2].says


def test_an_image_that_is_not_there(mirror: Runtime) -> None:
    assert [step.went_well for step in examine(mirror)] == [True, True, True, False]


def test_no_secret_is_shown(signed_in: SignedIn, mirror: Runtime, tmp_path: Path) -> None:
    environ = {
        "MIRROR_CONFIG": "/dev/null",
        "REGISTRY_PROXY_REMOTEURL": "https://registry.example.com",
        "REGISTRY_PROXY_USERNAME": "me",
        "REGISTRY_PROXY_PASSWORD": SECRET,
        "REGISTRY_PROXY_PROXY": f"http://me:{SECRET}@egress:3128",
        "REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY": str(tmp_path / "root"),
    }
    config = load(None, environ)
    assert config.proxy.password == SECRET
    assert SECRET in config.proxy.proxy
    with runtime.using(runtime.build(config)) as built:
        page = signed_in("administrator").get("/dashboard/upstreams/").content.decode()
        built.close()
    assert SECRET not in page
    assert "set, not shown" in page
    assert "http://***@egress:3128" in page


def test_the_page_shows_the_steps(
    signed_in: SignedIn, mirror: Runtime, upstream: FakeUpstream, client: Client
) -> None:
    upstream.add_image("library/thing", "v1")
    form = {"upstream": mirror.config.proxy.name, "image": "library/thing:v1"}
    page = signed_in("operator").post("/dashboard/upstreams/test/", form).content.decode()
    assert page.count('aria-label="went well"') == 4
    form["image"] = "NOT A NAME"
    page = signed_in("administrator").post("/dashboard/upstreams/test/", form).content.decode()
    assert "Nothing was tested" in page


def test_a_quota_is_shown(signed_in: SignedIn, mirror: Runtime, upstream: FakeUpstream) -> None:
    upstream.add_image("library/thing", "v1")
    upstream.manifest_headers = {
        "ratelimit-limit": "100;w=21600",
        "ratelimit-remaining": "7;w=21600",
    }
    viewer = signed_in("viewer")
    assert viewer.get("/v2/library/thing/manifests/v1").status_code == 200
    for path in ("", "upstreams/"):
        page = viewer.get(f"/dashboard/{path}").content.decode()
        assert "Quota: 7 of 100 left, renewed by" in page
        assert 'aria-valuenow="7"' in page


def test_an_open_breaker_is_seen(
    signed_in: SignedIn, mirror: Runtime, upstream: FakeUpstream, client: Client
) -> None:
    upstream.stop()
    for number in range(FAILURES):
        client.get(f"/v2/library/thing/manifests/v{number}")
    assert mirror.upstreams[mirror.config.proxy.name].is_away
    report.reporter().show(time.time())
    viewer = signed_in("viewer")
    for path in ("upstreams/", "overview/now/"):
        page = " ".join(viewer.get(f"/dashboard/{path}").content.decode().split())
        assert "1 worker process leaves it alone (the breaker is open)" in page
