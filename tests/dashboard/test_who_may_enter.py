"""The dashboard is for staff with a role; everyone else gets no further than the sign-in page."""

from __future__ import annotations

import pytest
from django.test import Client

from tests.dashboard.conftest import PASSWORD, SignedIn, make_user

pytestmark = pytest.mark.django_db

LOGIN = "/dashboard/login/"


def sign_in(client: Client, name: str, password: str = PASSWORD, address: str = "10.0.0.7") -> int:
    form = {"username": name, "password": password, "next": "/dashboard/"}
    return client.post(LOGIN, form, REMOTE_ADDR=address).status_code


@pytest.mark.parametrize("path", ["/", "/dashboard"])
def test_the_bare_address_leads_there(client: Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 302
    assert answer.headers["Location"] == "/dashboard/"


def test_a_stranger_is_asked_to_sign_in(client: Client) -> None:
    assert client.get("/dashboard/").headers["Location"] == f"{LOGIN}?next=/dashboard/"
    assert client.get(LOGIN).status_code == 200


@pytest.mark.parametrize("role", ["viewer", "operator", "administrator"])
def test_each_role_may_look(signed_in: SignedIn, role: str) -> None:
    assert signed_in(role).get("/dashboard/").status_code == 200


def test_a_password_opens_it(client: Client) -> None:
    make_user("vera", "viewer")
    assert sign_in(client, "vera") == 302
    assert client.get("/dashboard/").status_code == 200


@pytest.mark.parametrize("wanted", ["//evil.example/", "https://evil.example/dashboard/", ""])
def test_a_sign_in_leads_to_no_other_site(client: Client, wanted: str) -> None:
    make_user("vera", "viewer")
    form = {"username": "vera", "password": PASSWORD, "next": wanted}
    assert client.post(LOGIN, form).headers["Location"] == "/dashboard/"


def test_staff_without_a_role_see_nothing(client: Client) -> None:
    make_user("new", None)
    assert sign_in(client, "new") == 302
    assert client.get("/dashboard/").headers["Location"] == f"{LOGIN}?next=/dashboard/"
    assert b"as new, who has no role here" in client.get(LOGIN).content


def test_a_role_without_being_staff_is_not_enough(client: Client) -> None:
    make_user("puller", "operator", staff=False)
    assert sign_in(client, "puller") == 200
    assert client.get("/dashboard/").status_code == 302


def test_guessing_ends_soon_for_one_address_and_nobody_else(client: Client) -> None:
    make_user("vera", "viewer")
    assert [sign_in(client, "vera", f"wrong {n}") for n in range(10)] == [200] * 9 + [429]
    assert sign_in(client, "vera") == 429
    assert sign_in(client, "vera", address="10.0.0.8") == 302


def test_a_wrong_password_is_logged_but_not_what_is_nobodys_name(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    make_user("vera", "viewer")
    caplog.set_level("INFO", "dashboard")
    sign_in(client, "vera", "wrong")
    sign_in(client, "hunter2hunter2", "wrong")
    ours = [record for record in caplog.records if record.name.startswith("dashboard")]
    assert [record.levelname for record in ours] == ["WARNING", "INFO"]
    assert "'vera' from 10.0.0.7" in ours[0].getMessage().replace('"', "'")
    assert "hunter2" not in caplog.text


def test_a_form_of_another_site_is_refused(db: None) -> None:
    client = Client(enforce_csrf_checks=True)
    make_user("vera", "viewer")
    assert sign_in(client, "vera") == 403
