"""Behind a front proxy: scheme, name and client are those that a trusted one says, no other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from html import unescape
from ipaddress import ip_network

import pytest
from django.conf import settings
from django.test import Client

from cache import runtime
from cache.runtime import Runtime
from tests.dashboard.conftest import PASSWORD, SignedIn, make_user

PROXY, STRANGER = "10.0.0.5", "192.0.2.9"
LOGIN = "/dashboard/login/"
FRONT = "https://mirror.example"


@pytest.fixture(autouse=True)
def behind(mirror: Runtime) -> Iterator[Runtime]:
    """The mirror, which trusts the proxy."""
    http = replace(mirror.config.http, trusted_proxies=(ip_network(PROXY),))
    with runtime.using(replace(mirror, config=replace(mirror.config, http=http))) as trusting:
        yield trusting


def passed_on(proto: str = "https", client: str = "10.1.1.1") -> dict[str, str]:
    """What a proxy says of a request that came for `mirror.example`."""
    return {
        "Host": "inner:5000",
        "X-Forwarded-Proto": proto,
        "X-Forwarded-Host": "mirror.example",
        "X-Forwarded-For": client,
    }


def sign_in(browser: Client, sender: str, origin: str, **told: str) -> int:
    """Fill the form in as a browser does that has it from `origin`."""
    headers = passed_on(**told)
    page = browser.get(LOGIN, headers=headers, REMOTE_ADDR=sender).content.decode()
    secret = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
    assert secret is not None
    form = {"username": "vera", "password": PASSWORD, "csrfmiddlewaretoken": secret[1]}
    return browser.post(
        LOGIN, form, headers={**headers, "Origin": origin}, REMOTE_ADDR=sender
    ).status_code


def guess(browser: Client, client: str, password: str, sender: str = PROXY) -> int:
    form = {"username": "vera", "password": password}
    headers = passed_on(client=client)
    return browser.post(LOGIN, form, headers=headers, REMOTE_ADDR=sender).status_code


@pytest.mark.parametrize("proto", ["http", "https"])
def test_a_form_comes_from_the_address_that_the_browser_knows(proto: str) -> None:
    make_user("vera", "viewer")
    browser = Client(enforce_csrf_checks=True)

    assert sign_in(browser, PROXY, "https://evil.example", proto=proto) == 403
    assert sign_in(browser, PROXY, f"{proto}://mirror.example", proto=proto) == 302


def test_of_anybody_else_it_is_not_believed() -> None:
    make_user("vera", "viewer")
    browser = Client(enforce_csrf_checks=True)

    assert sign_in(browser, STRANGER, FRONT) == 403
    assert sign_in(browser, STRANGER, "http://inner:5000") == 302


@pytest.mark.parametrize(
    ("sender", "proto", "is_secure"),
    [(PROXY, "https", True), (PROXY, "http", False), (STRANGER, "https", False)],
)
def test_cookies_that_came_over_tls_leave_over_tls_only(
    client: Client, sender: str, proto: str, is_secure: bool
) -> None:
    make_user("vera", "viewer")
    origin = "http://inner:5000" if sender == STRANGER else f"{proto}://mirror.example"

    sign_in(client, sender, origin, proto=proto)

    names = (settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME)
    assert [bool(client.cookies[name]["secure"]) for name in names] == [is_secure] * 2


def test_so_they_do_where_the_mirror_speaks_tls_itself(client: Client) -> None:
    client.get(LOGIN, secure=True)

    assert client.cookies[settings.CSRF_COOKIE_NAME]["secure"]


@pytest.mark.parametrize(("sender", "address"), [(PROXY, FRONT), (STRANGER, "http://inner:5000")])
def test_clients_are_told_the_address_that_they_reach(
    signed_in: SignedIn, sender: str, address: str
) -> None:
    page = signed_in("viewer").get("/dashboard/connect/", headers=passed_on(), REMOTE_ADDR=sender)

    assert f'"registry-mirrors": [\n    "{address}"' in unescape(page.content.decode())


def test_who_guesses_locks_out_nobody_else_behind_the_proxy(client: Client) -> None:
    make_user("vera", "viewer")

    assert [guess(client, "10.9.9.9", f"wrong {n}") for n in range(10)] == [200] * 9 + [429]

    assert guess(client, "10.9.9.9", PASSWORD) == 429
    assert guess(client, "10.1.1.1", PASSWORD) == 302


def test_who_names_other_clients_is_locked_out_all_the_same(client: Client) -> None:
    make_user("vera", "viewer")

    told = [guess(client, f"10.9.9.{n}", f"wrong {n}", STRANGER) for n in range(10)]

    assert told[-1] == 429


@pytest.mark.parametrize(("sender", "named"), [(PROXY, "10.9.9.9"), (STRANGER, STRANGER)])
def test_a_warning_names_who_has_guessed(
    client: Client, caplog: pytest.LogCaptureFixture, sender: str, named: str
) -> None:
    make_user("vera", "viewer")

    guess(client, "10.9.9.9", "wrong", sender)

    [warned] = [record for record in caplog.records if record.name == "dashboard.signing_in"]
    assert f"from {named}," in warned.getMessage()


def test_a_proxy_that_is_trusted_no_more_is_believed_no_more(
    client: Client, mirror: Runtime
) -> None:
    assert client.get(LOGIN, headers=passed_on(), REMOTE_ADDR=PROXY).wsgi_request.is_secure()

    with runtime.using(mirror):
        seen = client.get(LOGIN, headers=passed_on(), REMOTE_ADDR=PROXY).wsgi_request

    assert not seen.is_secure()
    assert (seen.get_host(), seen.META["REMOTE_ADDR"]) == ("inner:5000", PROXY)
