"""Repositories: found, taken apart, checked and pinned."""

from __future__ import annotations

import pytest

from tests.dashboard.in_a_browser.conftest import PAGES, Visit

pytestmark = pytest.mark.e2e


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


def test_a_repository_is_found_and_pinned_and_found_by_its_pin(visit: Visit) -> None:
    visitor = visit("operator")
    visitor.go(f"{PAGES['repositories']}?text=worker")
    visitor.page.get_by_role("link", name="ghcr.io/acme/worker").click()
    pin = visitor.page.get_by_role("button", name="Pin ghcr.io/acme/worker", exact=True)
    pin.click()
    visitor.wait_for("ghcr.io/acme/worker is pinned: it is never evicted.")
    visitor.go(PAGES["pins"])
    row = visitor.page.locator("tr", has_text="ghcr.io/acme/worker")
    assert "operator" in row.inner_text()
    visitor.go(PAGES["repositories"])
    visitor.page.get_by_label("Pinned").select_option("yes")
    visitor.page.get_by_role("button", name="Find").click()
    assert visitor.page.get_by_role("link", name="ghcr.io/acme/worker").count() == 1
    assert visitor.page.get_by_role("link", name="ghcr.io/acme/shop").count() == 0
    visitor.page.get_by_role("link", name="ghcr.io/acme/worker").click()
    visitor.page.get_by_role("button", name="Unpin ghcr.io/acme/worker", exact=True).click()
    visitor.wait_for("ghcr.io/acme/worker is not pinned any more")


def test_the_list_is_in_the_order_of_sizes(visit: Visit) -> None:
    visitor = visit("viewer")
    visitor.go(f"{PAGES['repositories']}?order=size&text=acme/base")
    assert visitor.page.get_by_role("link", name="ghcr.io/acme/base/python").count() == 1
