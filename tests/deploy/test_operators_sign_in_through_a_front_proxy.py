"""The dashboard behind a real nginx and a real Caddy that speak TLS, with the example files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing

import httpx
import pytest

from tests.dashboard.in_a_browser.browser import Visitor, chromium
from tests.deploy.proxies import Proxy
from tests.e2e.mirror import Mirror
from tests.e2e.parts import require
from tests.e2e.processes import NOWHERE, scratch
from tests.faults.clients import whole_log

pytestmark = pytest.mark.e2e

PASSWORD = "correct horse battery"
LOGIN = "/dashboard/login/"

#: Who guesses has another address than the proxies, which every loopback address can reach.
GUESSER = "127.0.0.9"


@pytest.fixture(scope="module")
def mirror() -> Iterator[Mirror]:
    with (
        scratch("mirror") as home,
        Mirror(
            home / "data",
            f"http://{NOWHERE}",
            REGISTRY_HTTP_TRUSTED_PROXIES="127.0.0.1",
            DJANGO_SUPERUSER_PASSWORD=PASSWORD,
        ) as mirror,
    ):
        yield mirror


def test_a_browser_signs_in(front: Proxy) -> None:
    require("chromium")
    with chromium() as browser, closing(Visitor(browser, front.url, careless=True)) as visitor:
        visitor.sign_in("admin", PASSWORD)

        visitor.go("/dashboard/connect/")

        assert f'"{front.url}"' in visitor.text()
        cookies = visitor.page.context.cookies()
        assert {cookie["name"]: cookie["secure"] for cookie in cookies} == {
            "mirrorsite_session": True,
            "mirrorsite_csrf": True,
        }
        assert visitor.console == []


def test_who_guesses_is_named_and_locks_out_nobody_else(front: Proxy, mirror: Mirror) -> None:
    before = len(whole_log(mirror))
    with _client(front, GUESSER) as guesser:
        told = [_sign_in(guesser, f"wrong {number}") for number in range(10)]
        assert (set(told[:-1]), told[-1]) == ({200}, 429)
        assert _sign_in(guesser, PASSWORD) == 429

    with _client(front, "127.0.0.1") as admin:
        assert _sign_in(admin, PASSWORD) == 302

    assert f"from {GUESSER}, at the dashboard" in whole_log(mirror)[before:]
    mirror.manage("axes_reset_username", "admin")


def _client(front: Proxy, address: str) -> httpx.Client:
    """At this address of the machine's; its cookies are kept as a browser keeps them."""
    transport = httpx.HTTPTransport(verify=front.trust, local_address=address)
    return httpx.Client(base_url=front.url, transport=transport, timeout=60)


def _sign_in(client: httpx.Client, password: str) -> int:
    """The status of a sign-in with the form that the page has."""
    secret = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', client.get(LOGIN).text)
    assert secret is not None
    form = {"username": "admin", "password": password, "csrfmiddlewaretoken": secret[1]}
    referer = str(client.base_url.join(LOGIN))
    return client.post(LOGIN, data=form, headers={"Referer": referer}).status_code
