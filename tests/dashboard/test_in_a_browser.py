"""The dashboard in a real browser, before a running mirror with real traffic through it."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeAlias

import httpx
import pytest
from playwright.sync_api import Browser

from tests import database
from tests.dashboard.browser import Visitor, chromium
from tests.e2e.mirror import PROJECT, Mirror
from tests.e2e.parts import require
from tests.e2e.processes import eventually, scratch
from tests.fakes.faults import Fault, Gate
from tests.fakes.upstream import FakeUpstream

pytestmark = pytest.mark.e2e

PASSWORD = "correct horse battery"
PAGES = {
    "overview": "/dashboard/?range=1h",
    "transfers": "/dashboard/transfers/",
    "repositories": "/dashboard/repositories/",
    "repository": "/dashboard/repositories/1/",
    "upstreams": "/dashboard/upstreams/",
    "logs": "/dashboard/logs/",
    "log-levels": "/dashboard/logs/levels/",
    "connect": "/dashboard/connect/",
    "access": "/dashboard/access/",
    "users": "/dashboard/auth/user/",
    "user": "/dashboard/auth/user/add/",
    "groups": "/dashboard/auth/group/",
}
#: Where the pictures for the documentation go, if somebody wants them.
PICTURES = os.environ.get("MIRROR_PICTURES")

Visit: TypeAlias = Callable[..., Visitor]


@pytest.fixture(scope="module")
def upstream() -> Iterator[FakeUpstream]:
    with FakeUpstream() as upstream:
        yield upstream


@pytest.fixture(scope="module")
def mirror(upstream: FakeUpstream) -> Iterator[Mirror]:
    """A mirror with users of each role and a little traffic behind it."""
    require("chromium")
    with (
        scratch("mirror") as home,
        Mirror(
            home / "data",
            "https://registry-1.docker.io",  # nobody asks it
            REGISTRY_UPSTREAMS=f"{{ghcr.io: {{remoteurl: '{upstream.url}'}}}}",
            DJANGO_SUPERUSER_PASSWORD=PASSWORD,
        ) as mirror,
    ):
        for role in ("viewer", "operator", "administrator"):
            _add_user(mirror, role)
        _manage(mirror, "grant", "create", "--user", "operator", "acme/*", "--upstream", "*")
        _manage(mirror, "token", "create", "operator", "build-12", "--limit", "acme/**")
        _make_traffic(mirror, upstream)
        yield mirror


def _add_user(mirror: Mirror, role: str) -> None:
    program = (
        "from django.contrib.auth.models import Group, User\n"
        f"user = User.objects.create_user({role!r}, password={PASSWORD!r}, is_staff=True)\n"
        f"user.groups.add(Group.objects.get(name={role!r}))\n"
    )
    _manage(mirror, "shell", "-v0", "-c", program)


def _manage(mirror: Mirror, *arguments: str) -> None:
    subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=PROJECT,
        stdout=subprocess.DEVNULL,
        env={
            **os.environ,
            "MIRROR_CONFIG": "/dev/null",
            "REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY": str(mirror.root),
            **database.variables(mirror.root),
        },
        check=True,
        timeout=60,
    )


def _make_traffic(mirror: Mirror, upstream: FakeUpstream) -> None:
    for number, name in enumerate(("acme/shop", "acme/worker", "acme/base/python")):
        layer = random.Random(name).randbytes(2_000_000 * (number + 1))
        base = random.Random("base").randbytes(3_000_000)
        image = upstream.add_image(name, "latest", [base, layer])
        for _ in range(5 - number):
            for digest in image.layer_digests:
                _pull(mirror, name, str(image.digest), digest)


def _pull(mirror: Mirror, name: str, digest: str, layer: object) -> None:
    base = f"{mirror.url}/v2/ghcr.io/{name}"
    with httpx.Client(headers={"User-Agent": "docker/29.7.0 go/go1.24"}, trust_env=False) as client:
        client.head(f"{base}/manifests/latest").raise_for_status()
        client.get(f"{base}/manifests/{digest}").raise_for_status()
        client.get(f"{base}/blobs/{layer}").raise_for_status()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    require("chromium")
    with chromium() as browser:
        yield browser


@pytest.fixture
def visit(mirror: Mirror, browser: Browser) -> Iterator[Visit]:
    """Somebody signs in: `admin` or whose role is named."""
    visitors: list[Visitor] = []

    def sign_in(name: str = "admin", *, dark: bool = False, width: int = 1280) -> Visitor:
        visitor = Visitor(browser, mirror.url, dark=dark, width=width)
        visitors.append(visitor)
        visitor.sign_in(name, PASSWORD)
        return visitor

    yield sign_in
    for visitor in visitors:
        visitor.close()
        assert visitor.elsewhere == []
        assert visitor.console == []


@pytest.mark.parametrize("width", [360, 1280, 2560])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_page_can_be_read_by_everyone(visit: Visit, dark: bool, width: int) -> None:
    visitor = visit(dark=dark, width=width)
    for name, path in PAGES.items():
        visitor.go(path)
        assert visitor.barriers() == [], name
        assert not visitor.is_wider_than_the_screen(), name
        if PICTURES and width == 1280:
            visitor.shoot(Path(PICTURES) / f"{name}-{'dark' if dark else 'light'}.png")
    visitor.go(PAGES["repository"])
    visitor.page.locator("table a", has_text="sha256:").first.click()
    visitor.wait_for("Layers, drawn to size")
    assert visitor.barriers() == []
    assert not visitor.is_wider_than_the_screen()
    if PICTURES and width == 1280:
        visitor.shoot(Path(PICTURES) / f"manifest-{'dark' if dark else 'light'}.png")


def test_the_sign_in_page_too(mirror: Mirror, browser: Browser) -> None:
    visitor = Visitor(browser, mirror.url, width=360)
    visitor.go("/")
    assert visitor.barriers() == []
    assert visitor.page.url.endswith("/dashboard/login/?next=/dashboard/")
    visitor.close()


def test_a_transfer_is_followed_to_its_end(
    visit: Visit, mirror: Mirror, upstream: FakeUpstream
) -> None:
    data = random.Random("big").randbytes(8 * 1024**2)
    digest = upstream.add_blob("acme/big", data)
    gate = Gate()
    fault = Fault(stall=gate, stall_at=4 * 1024**2)
    upstream.misbehave(fault, method="GET", path=str(digest), times=1)
    visitor = visit("operator", dark=True)
    visitor.go(PAGES["transfers"])
    visitor.wait_for("Nothing comes from upstream just now")
    with ThreadPoolExecutor(3) as pool:
        url = f"{mirror.url}/v2/ghcr.io/acme/big/blobs/{digest}"
        pulls = [pool.submit(httpx.get, url, trust_env=False, timeout=60) for _ in range(3)]
        visitor.wait_for("4 MiB of 8 MiB")
        visitor.wait_for("3 readers")
        assert visitor.page.get_by_role("progressbar").get_attribute("aria-valuenow") == "50.0"
        if PICTURES:
            visitor.shoot(Path(PICTURES) / "transfer-under-way-dark.png")
        gate.open()
        assert all(pull.result(60).content == data for pull in pulls)
    row = visitor.page.locator("tr", has_text=str(digest)[:19])
    row.get_by_text("verified and kept").wait_for()


def test_a_transfer_is_cancelled(visit: Visit, mirror: Mirror, upstream: FakeUpstream) -> None:
    digest = upstream.add_blob("acme/unwanted", random.Random("u").randbytes(4 * 1024**2))
    slow = Fault(bytes_per_second=300_000)
    upstream.misbehave(slow, method="GET", path=str(digest), times=1)
    visitor = visit("operator")
    visitor.go(PAGES["transfers"])
    with ThreadPoolExecutor(1) as pool:
        url = f"{mirror.url}/v2/ghcr.io/acme/unwanted/blobs/{digest}"
        pull = pool.submit(httpx.get, url, trust_env=False, timeout=60)
        visitor.page.get_by_role("button", name="Cancel the transfer").click()
        with pytest.raises(httpx.RemoteProtocolError):
            pull.result(60).raise_for_status()
    visitor.wait_for("the operator of this mirror cancelled the transfer")


def test_a_level_is_changed_and_records_arrive_from_every_worker(
    visit: Visit, mirror: Mirror
) -> None:
    visitor = visit("operator")
    visitor.go(PAGES["log-levels"])
    visitor.page.get_by_label("Logger", exact=True).fill("cache.api")
    visitor.page.get_by_role("button", name="Change", exact=True).click()
    visitor.wait_for("All processes follow within two seconds")
    visitor.go(f"{PAGES['logs']}?level=debug&logger=cache.api")

    def seen() -> set[str]:
        httpx.head(f"{mirror.url}/v2/ghcr.io/acme/shop/manifests/latest", trust_env=False)
        visitor.page.wait_for_timeout(100)
        return {
            str(pid)
            for pid in mirror.workers()
            if visitor.page.locator("#log", has_text=f"process {pid}").count()
        }

    everyone = {str(pid) for pid in mirror.workers()}
    eventually(lambda: seen() == everyone, "every worker's debug records were on the page")
    assert "HEAD latest of ghcr.io/acme/shop: REVALIDATED" in visitor.text()

    visitor.go(PAGES["log-levels"])
    visitor.page.get_by_role("button", name="Change back").click()
    visitor.wait_for("Changed the level back.")


def test_a_first_pull_is_seen(visit: Visit, mirror: Mirror, upstream: FakeUpstream) -> None:
    visitor = visit("viewer")
    visitor.go(PAGES["connect"])
    visitor.wait_for("Waiting for a pull")
    image = upstream.add_image("acme/first", "latest")
    _pull(mirror, "acme/first", str(image.digest), image.layer_digests[0])
    visitor.wait_for("Got it:")
    assert "docker/29.7.0 go/go1.24 from 127.0.0.1, ghcr.io/acme/first" in visitor.text()


def test_a_repository_is_found_taken_apart_and_checked(visit: Visit) -> None:
    visitor = visit("operator")
    visitor.go(PAGES["repositories"])
    visitor.page.get_by_role("searchbox", name="Name").fill("shop")
    visitor.page.get_by_role("button", name="Find").click()
    visitor.page.get_by_role("link", name="ghcr.io/acme/shop").click()
    visitor.page.get_by_role("button", name="Check latest now").click()
    visitor.wait_for("ghcr.io/acme/shop:latest is where it was.")
    visitor.page.locator("table a", has_text="sha256:").first.click()
    visitor.wait_for("Layers, drawn to size")
    assert "ghcr.io/acme/worker" in visitor.text()
    widths = visitor.page.locator(".m-layers .m-meter > span").evaluate_all(
        "spans => spans.map(span => span.getBoundingClientRect().width)"
    )
    assert widths[1] == pytest.approx(1.5 * widths[2], rel=0.01)  # 3 MB and 2 MB


def test_a_grant_and_a_token_are_made_and_pulled_with(
    visit: Visit, mirror: Mirror, upstream: FakeUpstream
) -> None:
    image = upstream.add_image("acme/secret", "latest")
    url = f"/v2/ghcr.io/acme/secret/manifests/{image.digest}"
    visitor = visit("administrator")
    visitor.go(PAGES["access"])
    fix = visitor.page.get_by_role("form", name="Fix the visibility of repositories")
    fix.get_by_label("Repositories").fill("acme/secret")
    fix.locator("[name=upstream]").select_option("ghcr.io")
    fix.get_by_role("button", name="Fix").click()
    visitor.wait_for("Fixed as private.")
    grant = visitor.page.get_by_role("form", name="Create a grant")
    grant.get_by_label("Called").fill("administrator")
    grant.get_by_label("Repositories").fill("acme/*")
    grant.locator("[name=upstream]").select_option("ghcr.io")
    grant.get_by_role("button", name="Grant").click()
    visitor.wait_for("Granted to administrator.")
    visitor.go(PAGES["connect"])
    visitor.page.get_by_label("For which machine").fill("build-7")
    visitor.page.get_by_role("button", name="Put a fresh access token").click()
    token = visitor.page.locator("#token").inner_text()
    assert visitor.page.locator("pre", has_text=f"/t/{token}/").count() == 1
    with httpx.Client(base_url=mirror.url, trust_env=False) as client:
        assert client.get(url).status_code == 401
        assert client.get(f"/t/{token}{url}").status_code == 200
    visitor.go(PAGES["access"])
    visitor.page.get_by_role("button", name="Revoke build-7 of administrator").click()
    visitor.wait_for("Revoked.")
    with httpx.Client(base_url=mirror.url, trust_env=False) as client:
        assert client.get(f"/t/{token}{url}").status_code == 401
    visitor.page.get_by_role("button", name="Remove ghcr.io/acme/* from administrator").click()
    visitor.wait_for("Taken from administrator.")


def test_the_way_to_an_upstream_is_tested(visit: Visit) -> None:
    visitor = visit("operator")
    visitor.go(PAGES["upstreams"])
    visitor.page.get_by_label("Test the connection to ghcr.io").get_by_role("button").click()
    steps = visitor.page.get_by_label("Steps to ghcr.io")
    steps.wait_for()
    assert steps.get_by_label("went well").count() == 4


def test_a_viewer_is_refused_what_takes_another_role(visit: Visit, mirror: Mirror) -> None:
    visitor = visit("viewer")
    for name, path in PAGES.items():
        if name in ("access", "users", "user", "groups"):
            continue
        visitor.go(path)
        assert visitor.page.locator(".m-page form[method=post]").count() == 0
    assert visitor.page.get_by_role("link", name="Users").count() == 0
    for name in ("access", "users", "user", "groups"):
        visitor.go(PAGES[name])
        assert "Your role may not do this" in visitor.text("body")
        assert visitor.console.pop().endswith("status of 403 (Forbidden)")


def test_times_are_those_of_the_viewer(visit: Visit) -> None:
    visitor = visit()
    visitor.go(PAGES["logs"])
    shown, exact = visitor.page.evaluate(
        "() => { const t = document.querySelector('#log time'); return [t.textContent, t.title]; }"
    )
    in_berlin = visitor.page.evaluate(
        "moment => new Date(moment).toLocaleTimeString('en-GB', {timeZone: 'Europe/Berlin'})",
        exact.partition("(")[2].rstrip(")"),
    )
    assert in_berlin in shown


def test_live_parts_rest_while_nobody_looks(visit: Visit) -> None:
    visitor = visit()
    asked: list[str] = []
    visitor.page.on("request", lambda request: asked.append(request.url))
    visitor.page.clock.install()
    visitor.go(PAGES["transfers"])
    visitor.page.evaluate(
        "Object.defineProperty(document, 'hidden', {get: () => true, configurable: true})"
    )
    asked.clear()
    visitor.page.clock.run_for(30_000)
    assert asked == []
    visitor.page.evaluate("Object.defineProperty(document, 'hidden', {get: () => false})")
    with visitor.page.expect_request("**/transfers/now/"):
        visitor.page.clock.run_for(2_000)


def test_the_log_can_be_paused(visit: Visit) -> None:
    visitor = visit()
    asked: list[str] = []
    visitor.page.on("request", lambda request: asked.append(request.url))
    visitor.page.clock.install()
    visitor.go(PAGES["logs"])
    button = visitor.page.get_by_role("button", name="Pause")
    button.click()
    asked.clear()
    visitor.page.clock.run_for(10_000)
    assert not [url for url in asked if "/logs/tail/" in url]
    visitor.page.get_by_role("button", name="Go on").click()
    with visitor.page.expect_request("**/logs/tail/**"):
        visitor.page.clock.run_for(3_000)


def test_the_keyboard_is_enough(visit: Visit) -> None:
    visitor = visit()
    for _ in range(30):
        visitor.page.keyboard.press("Tab")
        if visitor.page.evaluate("document.activeElement.textContent.trim()").endswith("Logs"):
            break
    visitor.page.keyboard.press("Enter")
    visitor.page.wait_for_url("**/dashboard/logs/")


def test_a_chart_says_what_is_under_the_pointer(visit: Visit) -> None:
    visitor = visit()
    visitor.go(PAGES["overview"])
    visitor.page.locator("#pulls .m-slot").last.hover()
    tip = visitor.page.locator("#m-tip")
    tip.wait_for()
    assert "Up to date:" in tip.inner_text()
