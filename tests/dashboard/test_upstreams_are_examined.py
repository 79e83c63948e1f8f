"""Upstreams: the configuration without its secrets, and a test that names the step that fails."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import fields
from datetime import timedelta
from pathlib import Path

import pytest
from django.test import Client

from cache import report, runtime
from cache.config import Exec, Proxy, load
from cache.config.kinds import Key, Section
from cache.config.upstream_keys import UPSTREAM
from cache.diagnosis import Step
from cache.freshness import Windows
from cache.oci.pattern import Pattern
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


def keys(section: Mapping[str, Key], above: str = "") -> Iterator[str]:
    """Those of the file that say what an upstream is, such as `exec.command`."""
    for name, key in section.items():
        if isinstance(key, Section):
            yield from keys(key.keys, f"{above}{name}.")
        elif not name.endswith("_file"):
            yield above + name


def test_each_option_is_shown_or_masked(tmp_path: Path) -> None:
    rule = (Pattern("v*"), timedelta(hours=2))
    proxy = Proxy(
        username="me",
        password=SECRET,
        exec=Exec("/usr/bin/docker-credential-pass", timedelta(minutes=5)),
        client_certificate=tmp_path / "client.pem",
        client_key=tmp_path / "client.key",
        proxy=f"http://me:{SECRET}@egress:3128",
        bandwidth=1024**2,
        allow=(Pattern("acme/**"), Pattern("tools/*")),
        offline=True,
        freshness=Windows(timedelta(minutes=1), (rule,)),
        ttl=None,
    )
    shown = {one.name: one.value for one in upstreams.settings(proxy)}
    assert shown.keys() >= {*keys(UPSTREAM), "ttl"}
    for field in fields(Proxy):
        assert field.name in {name.partition(".")[0] for name in shown}
    assert SECRET not in " ".join(shown.values())
    assert {name for name, value in shown.items() if value == upstreams.MASKED} == {"password"}
    assert shown["exec.lifetime"] == "5 min"
    assert shown["client_key"] == str(tmp_path / "client.key")
    assert shown["proxy"] == "http://***@egress:3128"
    assert shown["allow"] == "acme/**, tools/*"
    assert shown["freshness"] == "v*: 2 h, others: 1 min"
    assert shown["bandwidth"] == "1 MiB/s"
    assert shown["offline"] == "true: it is never asked"
    assert shown["ttl"] == "for ever"


def test_what_is_not_set_says_what_that_means() -> None:
    shown = {one.name: one.value for one in upstreams.settings(Proxy())}
    assert (shown["username"], shown["password"], shown["exec"]) == ("anonymous", "none", "none")
    assert (shown["ca"], shown["freshness"]) == ("the system's", "0 s")
    assert "" not in shown.values()


def test_a_change_is_said_to_take_no_restart(signed_in: SignedIn, mirror: Runtime) -> None:
    page = " ".join(signed_in("viewer").get("/dashboard/upstreams/").content.decode().split())
    assert "has it read again, and a change is in force at once" in page


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
