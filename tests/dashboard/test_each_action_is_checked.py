"""Whoever may not do something is refused by the server, whatever their page shows."""

from __future__ import annotations

import os
import time

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from cache import logbook, pulse, retention
from cache.models import PurgeOrder
from cache.oci.selection import Selection
from cache.runtime import Runtime
from tests.dashboard.conftest import SignedIn

PINNED = "acme/pinned"
DIGEST = "sha256:" + "a" * 64
PAGES = ("", "transfers/", "upstreams/", "logs/", "logs/levels/", "connect/", "purge/", "pins/")
PARTS = ("overview/now/", "overview/past/", "transfers/now/", "logs/tail/", "logs/counts/")
ACTIONS = (
    ("logs/levels/change/", {"logger": "cache.x", "level": "debug", "for": "10m"}, 302),
    ("transfers/cancel/", {"digest": DIGEST}, 302),
    ("upstreams/test/", {"upstream": "nobody"}, 404),
    ("pins/pin/", {"what": "acme/shop"}, 302),
    ("pins/unpin/", {"what": PINNED}, 302),
)
#: What happens to the purge, and from which state to which.
ON_PURGES = (
    ("confirm", "shown", "confirmed"),
    ("again", "shown", "asked"),
    ("go-on", "failed", "confirmed"),
    ("stop", "at_work", "at_work"),
)

pytestmark = pytest.mark.usefixtures("mirror", "pinned", "under_way")


@pytest.fixture
def pinned(db: None, mirror: Runtime) -> None:
    """Something is pinned."""
    retention.pin(Selection.parse(PINNED), "ada", mirror.now())


@pytest.fixture
def under_way(mirror: Runtime) -> None:
    """A blob is fetched by a process of this mirror."""
    now = time.time()
    transfer = pulse.Transfer(DIGEST, "acme/shop", None, 1, 1, now, True, 1, None)
    shown = pulse.Pulse(at=now, process=os.getpid(), transfers=(transfer,))
    pulse.write(pulse.folder_of(mirror.config.storage.root), shown)


def test_a_transfer_that_is_not_under_way_is_not_cancelled(
    signed_in: SignedIn, mirror: Runtime
) -> None:
    other = "sha256:" + "b" * 64
    answer = signed_in("operator").post(
        "/dashboard/transfers/cancel/", {"digest": other}, follow=True
    )

    assert f"no transfer of {other} is under way" in answer.content.decode()
    assert not LogEntry.objects.exists()
    folder = pulse.folder_of(mirror.config.storage.root)
    assert list(pulse.wished_cancels(folder, time.time())) == []


def purge(state: str, mirror: Runtime) -> PurgeOrder:
    """A purge in that state, of which there is nothing to do."""
    is_confirmed = state in ("failed", "at_work")
    return PurgeOrder.objects.create(
        state=state,
        what="acme/shop",
        by="ada",
        asked_at=mirror.now(),
        shown_at=mirror.now(),
        confirmed_at=mirror.now() if is_confirmed else None,
    )


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


@pytest.mark.parametrize(("action", "before", "after"), ON_PURGES)
@pytest.mark.parametrize(
    ("role", "may"), [("viewer", False), ("operator", True), ("administrator", True)]
)
def test_a_purge_takes_its_role(
    signed_in: SignedIn, mirror: Runtime, role: str, may: bool, action: str, before: str, after: str
) -> None:
    order = purge(before, mirror)
    answer = signed_in(role).post(f"/dashboard/purge/{order.pk}/{action}/")
    assert answer.status_code == (302 if may else 403)
    order.refresh_from_db()
    assert order.state == (after if may else before)
    assert order.is_to_stop == (may and action == "stop")
    # That somebody looked is nothing for the record.
    assert LogEntry.objects.exists() == (may and action != "again")


@pytest.mark.parametrize(
    ("role", "may"), [("viewer", False), ("operator", True), ("administrator", True)]
)
@pytest.mark.parametrize("kind", ["name", "age", "size"])
def test_to_ask_for_a_purge_takes_the_role_too(
    signed_in: SignedIn, role: str, may: bool, kind: str
) -> None:
    form = {"kind": kind, "what": "acme/shop", "days": "3", "size": "1GiB"}
    answer = signed_in(role).post("/dashboard/purge/ask/", form)
    assert answer.status_code == (302 if may else 403)
    assert PurgeOrder.objects.exists() == may


@pytest.mark.parametrize("action", ["ask", *(f"1/{action}" for action, *_ in ON_PURGES)])
def test_a_purge_takes_a_form(signed_in: SignedIn, action: str) -> None:
    assert signed_in("operator").get(f"/dashboard/purge/{action}/").status_code == 405


@pytest.mark.parametrize("action", ["pins/pin", "purge/ask", "purge/1/confirm", "purge/1/stop"])
def test_a_form_of_another_site_is_refused(signed_in: SignedIn, action: str) -> None:
    session = signed_in("operator").cookies
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = session
    assert strict.post(f"/dashboard/{action}/", {"what": "acme/shop"}).status_code == 403


def test_a_viewer_sees_purges_and_pins_without_buttons(
    signed_in: SignedIn, mirror: Runtime
) -> None:
    viewer = signed_in("viewer")
    order = purge("shown", mirror)
    for path in ("purge/", f"purge/{order.pk}/", "pins/"):
        answer = viewer.get(f"/dashboard/{path}")
        assert answer.status_code == 200
        assert answer.content.decode().count('method="post"') == signs_out(answer)


def signs_out(answer: object) -> int:
    """The forms of the page's frame, which are everybody's."""
    return str(getattr(answer, "content", b"")).count('id="logout-form"')


def test_a_viewers_page_has_no_button_for_what_is_refused(signed_in: SignedIn) -> None:
    page = signed_in("viewer").get("/dashboard/logs/levels/").content.decode()
    assert "takes the role operator" in page
    assert "logs/levels/change/" not in page
    assert "upstreams/test/" not in signed_in("operator").get("/dashboard/logs/").content.decode()


def test_a_refused_change_changes_nothing(signed_in: SignedIn, mirror: Runtime) -> None:
    signed_in("viewer").post("/dashboard/logs/levels/change/", ACTIONS[0][1])
    assert logbook.levels_of(mirror.config.storage.root).overrides(0) == {}
