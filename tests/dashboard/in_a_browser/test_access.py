"""Who may do what, and the way from a first sign-in to a first pull."""

from __future__ import annotations

import httpx
import pytest

from tests.dashboard.in_a_browser.conftest import PAGES, Visit
from tests.dashboard.in_a_browser.traffic import pull
from tests.e2e.mirror import Mirror
from tests.fakes.plain import NO_AUTHORITY
from tests.fakes.upstream import FakeUpstream

pytestmark = pytest.mark.e2e


def test_a_first_pull_is_seen(visit: Visit, mirror: Mirror, upstream: FakeUpstream) -> None:
    visitor = visit("viewer")
    visitor.go(PAGES["connect"])
    visitor.wait_for("Waiting for a pull")
    image = upstream.add_image("acme/first", "latest")
    pull(mirror, "acme/first", str(image.digest), image.layer_digests[0])
    visitor.wait_for("Got it:")
    assert "docker/29.7.0 go/go1.24 from 127.0.0.1, ghcr.io/acme/first" in visitor.text()


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
    with httpx.Client(base_url=mirror.url, trust_env=False, verify=NO_AUTHORITY) as client:
        assert client.get(url).status_code == 401
        assert client.get(f"/t/{token}{url}").status_code == 200
    visitor.go(PAGES["access"])
    visitor.page.get_by_role("button", name="Revoke build-7 of administrator").click()
    visitor.wait_for("Revoked.")
    with httpx.Client(base_url=mirror.url, trust_env=False, verify=NO_AUTHORITY) as client:
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
