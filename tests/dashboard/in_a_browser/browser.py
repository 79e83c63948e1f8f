"""A real browser in front of a real mirror: Debian's Chromium, driven by Playwright.

It keeps what a page must not do: errors in its console, requests to other hosts.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, sync_playwright

CHROMIUM = "/usr/bin/chromium"
FLAGS = (
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
PATIENCE = 20_000.0  # milliseconds

#: Of axe's rules; what is less than serious is for people to judge.
SERIOUS = ("serious", "critical")


@contextmanager
def chromium() -> Iterator[Browser]:
    """A running browser."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield browser
        browser.close()


class Visitor:
    """Somebody in front of the dashboard, in a browser of their own.

    One who is `careless` takes any certificate.
    """

    def __init__(
        self,
        browser: Browser,
        url: str,
        *,
        dark: bool = False,
        width: int = 1280,
        careless: bool = False,
    ):
        self.url = url
        self.console: list[str] = []
        self.elsewhere: list[str] = []
        self._context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme="dark" if dark else "light",
            timezone_id="Europe/Berlin",
            locale="en-GB",
            ignore_https_errors=careless,
        )
        self._context.set_default_timeout(PATIENCE)
        self.page: Page = self._context.new_page()
        self.page.on("console", self._on_console)
        self.page.on("pageerror", lambda error: self.console.append(str(error)))
        self.page.on("request", self._on_request)

    def close(self) -> None:
        self._context.close()

    def go(self, path: str) -> None:
        self.page.goto(f"{self.url}{path}")

    def sign_in(self, name: str, password: str) -> None:
        self.go("/")
        self.page.fill("input[name=username]", name)
        self.page.fill("input[name=password]", password)
        self.page.click("button[type=submit]")
        self.page.wait_for_selector(".m-page")

    def text(self, selector: str = ".m-page") -> str:
        return self.page.inner_text(selector)

    def wait_for(self, text: str) -> None:
        self.page.get_by_text(text).first.wait_for()

    def is_wider_than_the_screen(self) -> bool:
        return bool(
            self.page.evaluate(
                "document.documentElement.scrollWidth > document.documentElement.clientWidth"
            )
        )

    def barriers(self) -> list[str]:
        """What axe finds serious on this page, a line each."""
        found = Axe().run(self.page).response["violations"]
        return [
            f"{one['id']}: {node['target']} {node['failureSummary']}"
            for one in found
            if one["impact"] in SERIOUS
            for node in one["nodes"]
        ]

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.console.append(message.text)

    def _on_request(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme != "data" and parts.netloc != urlsplit(self.url).netloc:
            self.elsewhere.append(request.url)
