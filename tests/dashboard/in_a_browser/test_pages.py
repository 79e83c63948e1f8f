"""Every page, for every eye: at any width, in either light, by keyboard."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser

from tests.dashboard.in_a_browser import pictures
from tests.dashboard.in_a_browser.browser import Visitor
from tests.dashboard.in_a_browser.conftest import PAGES, Visit
from tests.e2e.mirror import Mirror

pytestmark = pytest.mark.e2e


@pytest.mark.timeout(600)
@pytest.mark.parametrize("width", [360, 1280, 2560])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_page_can_be_read_by_everyone(visit: Visit, dark: bool, width: int) -> None:
    visitor = visit(dark=dark, width=width)
    for name, path in PAGES.items():
        visitor.go(path)
        assert visitor.barriers() == [], name
        assert not visitor.is_wider_than_the_screen(), name
        _picture(visitor, name, dark=dark, width=width)
    visitor.go(PAGES["repository"])
    visitor.page.locator("table a", has_text="sha256:").first.click()
    visitor.wait_for("Layers, drawn to size")
    assert visitor.barriers() == []
    assert not visitor.is_wider_than_the_screen()
    _picture(visitor, "manifest", dark=dark, width=width)


def _picture(visitor: Visitor, name: str, *, dark: bool, width: int) -> None:
    suffix = "" if width == 1280 else f"-{width}"
    if not suffix or pictures.OF_ALL_WIDTHS:
        pictures.keep(visitor.page, f"{name}-{'dark' if dark else 'light'}{suffix}")


def test_the_sign_in_page_too(mirror: Mirror, browser: Browser) -> None:
    visitor = Visitor(browser, mirror.url, width=360)
    visitor.go("/")
    assert visitor.barriers() == []
    assert visitor.page.url.endswith("/dashboard/login/?next=/dashboard/")
    visitor.close()


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
    # The browser fetches the page's icon when it finds the time.
    assert [url for url in asked if "/static/" not in url] == []
    visitor.page.evaluate("Object.defineProperty(document, 'hidden', {get: () => false})")
    with visitor.page.expect_request("**/transfers/now/"):
        visitor.page.clock.run_for(2_000)


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
