"""Headers and cookies: no page of the dashboard can be framed, scripted or leaked by another."""

from __future__ import annotations

import pytest
from django.conf import settings
from django.test import Client

from tests.dashboard.conftest import PASSWORD, SignedIn, make_user

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("path", ["/dashboard/", "/dashboard/login/", "/dashboard/nothing/"])
def test_every_page_says_what_it_may_load(signed_in: SignedIn, path: str) -> None:
    headers = signed_in("viewer").get(path).headers
    policy = dict(part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self' 'unsafe-eval'"
    assert policy["frame-ancestors"] == "'none'"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert "no-store" in headers["Cache-Control"]


def test_the_cookies_are_for_the_dashboard_and_no_script_reads_them(client: Client) -> None:
    make_user("vera", "viewer")
    client.get("/dashboard/login/")
    client.post("/dashboard/login/", {"username": "vera", "password": PASSWORD, "next": "/"})
    session = client.cookies[settings.SESSION_COOKIE_NAME]
    csrf = client.cookies[settings.CSRF_COOKIE_NAME]
    for cookie in (session, csrf):
        assert cookie["path"] == "/dashboard/"
        assert cookie["httponly"]
    assert session["samesite"] == "Lax"
    assert csrf["samesite"] == "Strict"


def test_no_page_has_a_script_in_it(signed_in: SignedIn) -> None:
    page = signed_in("viewer").get("/dashboard/").content.decode()
    assert page.count("<script") == page.count("<script src=")


def test_a_pull_knows_nothing_of_it(signed_in: SignedIn) -> None:
    client = signed_in("administrator")
    answer = client.get("/v2/")
    assert not hasattr(answer.wsgi_request, "session")
    assert not hasattr(answer.wsgi_request, "user")
    assert not answer.cookies
    assert "Content-Security-Policy" not in answer.headers
    assert "X-Frame-Options" not in answer.headers
