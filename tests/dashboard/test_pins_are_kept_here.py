"""Pins: made and taken away on the page of what is pinned, and listed with who and when."""

from __future__ import annotations

from dataclasses import replace

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from cache import catalog, models, retention, runtime
from cache.oci.selection import Selection
from cache.runtime import Runtime
from dashboard.queries import pins, repositories
from dashboard.queries.repositories import Query
from tests.dashboard.conftest import SignedIn
from tests.fakes.upstream import FakeUpstream

PAGE = "/dashboard/pins/"

pytestmark = pytest.mark.django_db


@pytest.fixture
def row(mirror: Runtime, upstream: FakeUpstream, client: Client) -> models.Repository:
    for name in ("acme/shop", "acme/worker"):
        upstream.add_image(name, "latest")
        client.get(f"/v2/{name}/manifests/latest")
    catalog.write_down(mirror.traffic)
    return models.Repository.objects.get(name="acme/shop")


def pin(text: str, mirror: Runtime) -> None:
    retention.pin(Selection.parse(text), "ada", mirror.now())


def texts() -> list[str]:
    return [each.selection.text for each in retention.list_pins()]


def test_without_pins_it_is_said_what_to_do(signed_in: SignedIn, mirror: Runtime) -> None:
    assert "Nothing is pinned" in signed_in("operator").get(PAGE).content.decode()


def test_a_repository_a_tag_and_a_digest_are_pinned_on_their_pages(
    signed_in: SignedIn, mirror: Runtime, row: models.Repository
) -> None:
    operator = signed_in("operator")
    digest = models.Tag.objects.get(repository=row).manifest.digest
    place = f"{row.upstream}/acme/shop"
    page = f"/dashboard/repositories/{row.pk}/"
    for what, form, back in (
        (place, {}, page),
        (f"{place}:latest", {}, page),
        (f"{place}@{digest}", {"digest": digest}, f"{page}manifests/{digest}/"),
    ):
        assert f'aria-label="Pin {what}"' in operator.get(back).content.decode()
        sent = {"what": what, "repository": str(row.pk), **form}
        answer = operator.post(f"{PAGE}pin/", sent, follow=True)
        assert answer.redirect_chain[-1][0] == back
        assert f'aria-label="Unpin {what}"' in answer.content.decode()
        operator.post(f"{PAGE}unpin/", sent)
        assert texts() == []
        entry = LogEntry.objects.latest("pk")
        assert (entry.object_repr, entry.change_message) == (what, "Unpinned.")


def test_the_list_says_who_and_what_the_configuration_keeps(
    signed_in: SignedIn, mirror: Runtime
) -> None:
    pin("library/node:20", mirror)
    kept = replace(mirror.config.retention, keep=(Selection.parse("acme/**"),))
    config = replace(mirror.config, retention=kept)
    with runtime.using(replace(mirror, config=config)):
        page = " ".join(signed_in("operator").get(PAGE).content.decode().split())
    assert "<code>library/node:20</code></th> <td>ada</td>" in page
    assert "<code>acme/**</code></th> <td colspan" in page
    assert 'aria-label="Unpin acme/**"' not in page


def test_what_is_kept_by_more_says_by_what(
    signed_in: SignedIn, mirror: Runtime, row: models.Repository
) -> None:
    pin("acme/*", mirror)
    state = pins.of_tag(row, "latest", "sha256:x", pins.every())
    assert (state.own, [each.text for each in state.others]) == (None, ["acme/*"])
    page = " ".join(
        signed_in("viewer").get(f"/dashboard/repositories/{row.pk}/").content.decode().split()
    )
    assert "by the pin <code>acme/*</code>" in page


def test_a_pinned_tag_does_not_keep_the_whole_repository(
    mirror: Runtime, row: models.Repository
) -> None:
    pin("acme/shop:latest", mirror)
    assert not pins.of_repository(row, pins.every()).is_kept
    assert pins.of_tag(row, "latest", "sha256:x", pins.every()).is_kept
    pin("acme/shop", mirror)
    assert pins.of_repository(row, pins.every()).is_kept


@pytest.mark.parametrize("what", ["", "UPPER", "a" * 600, "acme/shop@sha256:1"])
def test_what_names_nothing_is_refused(signed_in: SignedIn, mirror: Runtime, what: str) -> None:
    page = signed_in("operator").post(f"{PAGE}pin/", {"what": what}, follow=True)
    assert "Nothing was changed" in page.content.decode()
    assert texts() == []
    assert not LogEntry.objects.exists()


def test_a_second_pin_and_a_second_unpin_are_told_and_not_recorded(
    signed_in: SignedIn, mirror: Runtime
) -> None:
    operator = signed_in("operator")
    for _ in range(2):
        page = operator.post(f"{PAGE}pin/", {"what": "acme/a"}, follow=True).content.decode()
    assert "was pinned already" in page
    for _ in range(2):
        page = operator.post(f"{PAGE}unpin/", {"what": "acme/a"}, follow=True).content.decode()
    assert "there is no pin acme/a any more" in page
    assert LogEntry.objects.count() == 2


@pytest.mark.parametrize(
    ("text", "pinned"),
    [
        ("acme/shop", ["acme/shop"]),
        ("acme/shop:latest", ["acme/shop"]),
        ("acme/**", ["acme/shop", "acme/worker"]),
        ("sha256:" + "0" * 64, []),
    ],
)
def test_repositories_are_found_by_their_pins(
    mirror: Runtime, row: models.Repository, text: str, pinned: list[str]
) -> None:
    pin(text, mirror)

    def names(wanted: str) -> list[str]:
        found = repositories.find(Query(pinned=wanted), mirror.now())
        assert all(one.is_pinned == (wanted == "yes") for one in found.rows)
        return [one.name for one in found.rows]

    assert names("yes") == pinned
    assert sorted(names("yes") + names("no")) == ["acme/shop", "acme/worker"]
