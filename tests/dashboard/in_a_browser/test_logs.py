"""The log of all workers: its levels, and its live tail."""

from __future__ import annotations

import httpx
import pytest

from tests.dashboard.in_a_browser.conftest import PAGES, Visit
from tests.e2e.mirror import Mirror
from tests.e2e.processes import eventually
from tests.fakes.plain import NO_AUTHORITY

pytestmark = pytest.mark.e2e


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
        httpx.head(
            f"{mirror.url}/v2/ghcr.io/acme/shop/manifests/latest",
            trust_env=False,
            verify=NO_AUTHORITY,
        )
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
