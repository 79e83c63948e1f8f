"""Whoever may not do something is refused by the server, whatever their page shows."""

from __future__ import annotations

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from cache import logbook
from cache.runtime import Runtime
from tests.dashboard.conftest import SignedIn

DIGEST = "sha256:" + "a" * 64
PAGES = ("", "transfers/", "upstreams/", "logs/", "logs/levels/", "connect/")
PARTS = ("overview/now/", "overview/past/", "transfers/now/", "logs/tail/", "logs/counts/")
ACTIONS = (
    ("logs/levels/change/", {"logger": "cache.x", "level": "debug", "for": "10m"}, 302),
    ("transfers/cancel/", {"digest": DIGEST}, 302),
    ("upstreams/test/", {"upstream": "nobody"}, 404),
)

pytestmark = pytest.mark.usefixtures("mirror")


@pytest.mark.parametrize("path", [*PAGES, *PARTS, "connect/pulls/"])
def test_everyone_with_a_role_reads_every_page(signed_in: SignedIn, path: str) -> None:
    assert signed_in("viewer").get(f"/dashboard/{path}").status_code == 200


@pytest.mark.parametrize("path", [*PAGES, *PARTS, *(path for path, *_ in ACTIONS)])
def test_a_stranger_reads_none(client: Client, path: str) -> None:
    answer = client.get(f"/dashboard/{path}")
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith("/dashboard/login/")


@pytest.mark.parametrize(("path", "form", "done"), ACTIONS)
@pytest.mark.parametrize(
    ("role", "may"), [("viewer", False), ("operator", True), ("administrator", True)]
)
def test_an_action_takes_its_role(
    signed_in: SignedIn, role: str, may: bool, path: str, form: dict[str, str], done: int
) -> None:
    answer = signed_in(role).post(f"/dashboard/{path}", form)
    assert answer.status_code == (done if may else 403)
    assert LogEntry.objects.exists() == (may and done == 302)


@pytest.mark.parametrize(("path", "form", "done"), ACTIONS)
def test_an_action_takes_a_form(
    signed_in: SignedIn, path: str, form: dict[str, str], done: int
) -> None:
    assert signed_in("operator").get(f"/dashboard/{path}", form).status_code == 405


def test_a_viewers_page_has_no_button_for_what_is_refused(signed_in: SignedIn) -> None:
    page = signed_in("viewer").get("/dashboard/logs/levels/").content.decode()
    assert "takes the role operator" in page
    assert "logs/levels/change/" not in page
    assert "upstreams/test/" not in signed_in("operator").get("/dashboard/logs/").content.decode()


def test_a_refused_change_changes_nothing(signed_in: SignedIn, mirror: Runtime) -> None:
    signed_in("viewer").post("/dashboard/logs/levels/change/", ACTIONS[0][1])
    assert logbook.levels_of(mirror.config.storage.root).overrides(0) == {}
