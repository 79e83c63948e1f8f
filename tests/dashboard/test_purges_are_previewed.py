"""The page for purges: nothing goes before a preview and a yes, and all that goes is on record."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from cache import catalog, models, retention
from cache.models import PurgeOrder, Removal
from cache.oci.digest import Digest
from cache.oci.selection import Selection
from cache.retention import CARRYING_OUT, LOOKING, orders, work_off
from cache.runtime import Runtime
from dashboard.queries import purges
from tests.dashboard.conftest import SignedIn
from tests.fakes.upstream import FakeUpstream

PAGE = "/dashboard/purge/"

pytestmark = pytest.mark.django_db


@pytest.fixture
def pulled(mirror: Runtime, upstream: FakeUpstream, client: Client) -> str:
    """Two repositories that share a layer are here; the name of their upstream."""
    for name, own in (("acme/shop", b"s" * 3000), ("acme/worker", b"w" * 500)):
        image = upstream.add_image(name, "latest", [b"b" * 2048, own])
        client.get(f"/v2/{name}/manifests/latest")
        for layer in (*image.layers, image.config):
            body = client.get(f"/v2/{name}/blobs/{Digest.of(layer)}")
            assert body.getvalue() == layer
    assert mirror.coalescer.drain(30)
    # The fills' own threads write to a database that this test's transaction does not see.
    for digest, size in mirror.store.blobs():
        catalog.record_blob(digest, size, mirror.now())
    return mirror.config.proxy.name


def ask(client: Client, **form: str) -> tuple[int, str]:
    """The order that was made of it, looked through, and its page."""
    answer = client.post(f"{PAGE}ask/", {"kind": "name", **form})
    assert answer.status_code == 302
    work_off(LOOKING)
    order = PurgeOrder.objects.latest("pk")
    return order.pk, client.get(answer.headers["Location"]).content.decode()


def test_a_preview_says_what_goes_and_what_stays(signed_in: SignedIn, pulled: str) -> None:
    number, page = ask(signed_in("operator"), what="acme/shop", why="it is broken")
    text = " ".join(page.split())
    assert "1 image would go" in text
    assert f"{pulled}/acme/shop:latest" in text
    assert "2 KiB with acme/worker:latest" in text
    assert "it is broken" in text
    assert f"{PAGE}{number}/confirm/" in text
    assert Removal.objects.count() == 0


def test_a_yes_is_carried_out_and_on_record(
    signed_in: SignedIn, upstream: FakeUpstream, pulled: str, client: Client
) -> None:
    operator = signed_in("operator")
    number, _ = ask(operator, what="acme/shop:latest", why="it is broken")
    page = operator.post(f"{PAGE}{number}/confirm/", follow=True).content.decode()
    assert "Waiting for its turn" in " ".join(page.split())
    work_off(CARRYING_OUT)
    page = " ".join(operator.get(f"{PAGE}{number}/now/").content.decode().split())
    assert "1 of 1 has gone" in page
    assert "data-settled" in page
    entry = LogEntry.objects.get()
    assert entry.object_repr == f"{number}: acme/shop:latest"
    assert "it is broken" in entry.change_message
    listed = " ".join(operator.get(PAGE).content.decode().split())
    assert "purged by the-operator: it is broken" in listed
    upstream.reset()
    assert client.get("/v2/acme/shop/manifests/latest").status_code == 200
    assert upstream.count("GET", "/manifests/") == 1


def test_a_blob_is_purged_by_its_digest(signed_in: SignedIn, pulled: str) -> None:
    operator = signed_in("operator")
    digest = str(Digest.of(b"w" * 500))
    number, page = ask(operator, what=digest)
    assert "1 blob without an image would go, and 500 B come back." in " ".join(page.split())
    operator.post(f"{PAGE}{number}/confirm/")
    work_off(CARRYING_OUT)
    assert not models.Blob.objects.filter(digest=digest).exists()


def test_what_is_under_way_says_so(signed_in: SignedIn, mirror: Runtime, pulled: str) -> None:
    operator = signed_in("operator")
    operator.post(f"{PAGE}ask/", {"kind": "age", "days": "3"})
    number = PurgeOrder.objects.get().pk
    page = " ".join(operator.get(f"{PAGE}{number}/").content.decode().split())
    assert "Looking for what would go" in page
    assert "data-settled" not in page
    PurgeOrder.objects.update(state="looking", attempts=2)
    page = " ".join(operator.get(f"{PAGE}{number}/now/").content.decode().split())
    assert "has ended in the middle. Another one goes on" in page


def test_what_is_pinned_is_asked_for_again(
    signed_in: SignedIn, mirror: Runtime, pulled: str
) -> None:
    retention.pin(Selection.parse("acme/shop"), "ada", mirror.now())
    operator = signed_in("operator")
    number, page = ask(operator, what="acme/shop")
    assert "1 of them is pinned" in " ".join(page.split())
    operator.post(f"{PAGE}{number}/confirm/")
    work_off(CARRYING_OUT)
    page = " ".join(operator.get(f"{PAGE}{number}/").content.decode().split())
    assert "1 kept: it is pinned." in page
    assert Removal.objects.count() == 0

    number, _ = ask(operator, what="acme/shop")
    operator.post(f"{PAGE}{number}/confirm/", {"with_pinned": "yes"})
    work_off(CARRYING_OUT)
    assert Removal.objects.get().repository == "acme/shop"
    assert "with what of it is pinned" in LogEntry.objects.latest("pk").change_message


def test_a_preview_that_has_gone_stale_is_not_confirmed(
    signed_in: SignedIn, mirror: Runtime, pulled: str
) -> None:
    operator = signed_in("operator")
    number, _ = ask(operator, what="acme/shop")
    old = mirror.now() - orders.SHOWN_FOR - timedelta(seconds=1)
    PurgeOrder.objects.update(shown_at=old)
    page = operator.get(f"{PAGE}{number}/").content.decode()
    assert "shown too long ago" in page
    assert "/confirm/" not in page
    page = operator.post(f"{PAGE}{number}/confirm/", follow=True).content.decode()
    assert "Nothing was changed" in page
    assert not LogEntry.objects.exists()
    operator.post(f"{PAGE}{number}/again/")
    work_off(LOOKING)
    assert "/confirm/" in operator.get(f"{PAGE}{number}/").content.decode()


def test_the_second_of_two_operators_is_told(
    signed_in: SignedIn, mirror: Runtime, pulled: str
) -> None:
    operator, administrator = signed_in("operator"), signed_in("administrator")
    number, _ = ask(operator, what="acme/shop")
    operator.post(f"{PAGE}{number}/confirm/")
    page = administrator.post(f"{PAGE}{number}/confirm/", follow=True).content.decode()
    assert "somebody has decided on it already" in page
    assert LogEntry.objects.count() == 1


@pytest.mark.parametrize(
    ("form", "says"),
    [
        ({"what": ""}, "allowed is such as library/node:20"),
        ({"what": "UPPER/case"}, "repositories are written in lower case"),
        ({"what": "sha256:short"}, "allowed is such as library/node:20"),
        ({"what": "a" * 600}, "Nothing was looked for"),
        ({"what": "acme/shop", "days": "-1"}, "allowed are 1 to 3650 days"),
        ({"kind": "age", "days": "99999"}, "allowed are 1 to 3650 days"),
        ({"kind": "age", "days": "\u0663"}, "allowed are 1 to 3650 days"),
        ({"kind": "age", "days": "000000001999999999"}, "allowed are 1 to 3650 days"),
        ({"what": "acme/shop", "days": "000003650999"}, "allowed are 1 to 3650 days"),
        ({"kind": "size", "size": "much"}, "Nothing was looked for"),
        ({"kind": "size", "size": "9223372036854775808B"}, "from 1B to 1024TiB"),
        ({"kind": "size", "size": "99999999999999999999TiB"}, "from 1B to 1024TiB"),
        ({"kind": "size", "size": "0B"}, "Nothing was looked for"),
    ],
)
def test_what_means_nothing_is_refused_with_what_does(
    signed_in: SignedIn, mirror: Runtime, form: dict[str, str], says: str
) -> None:
    page = signed_in("operator").post(f"{PAGE}ask/", {"kind": "name", **form}, follow=True)
    assert says in page.content.decode()
    assert not PurgeOrder.objects.exists()


def test_nothing_such_is_said_and_can_be_looked_for_again(
    signed_in: SignedIn, mirror: Runtime
) -> None:
    _, page = ask(signed_in("operator"), what="nobody/here")
    assert "nothing here is nobody/here" in page
    assert "Look again" in page


def test_what_there_is_not_is_not_found(signed_in: SignedIn, mirror: Runtime) -> None:
    operator = signed_in("operator")
    for path in ("1/", "1/now/", f"{10**30}/"):
        assert operator.get(f"{PAGE}{path}").status_code == 404
    assert operator.post(f"{PAGE}1/confirm/").status_code == 404


def test_names_are_text(signed_in: SignedIn, mirror: Runtime, pulled: str) -> None:
    _, page = ask(signed_in("operator"), what="acme/shop", why="<script>alert(1)</script>")
    assert "<script>alert(1)" not in page


def test_removals_follow_one_another_without_a_gap(mirror: Runtime) -> None:
    at = mirror.now()
    Removal.objects.bulk_create(
        Removal(
            at=at - timedelta(seconds=number // 3),
            reason="expired" if number % 2 else "purged",
            detail="x",
            by="janitor",
            repository=f"r{number % 5}",
            digest=f"sha256:{number:064x}",
            blobs=1,
            size=1,
            pulled_at=at,
        )
        for number in range(130)
    )

    def digests(reason: str = "", repository: str = "") -> list[str]:
        seen, after, pages = [], "", 0
        while pages == 0 or after:
            found = purges.removals(reason, repository, after)
            seen += [row.digest for row in found.rows]
            after, pages = found.after, pages + 1
        return seen

    everything = [row.digest for row in Removal.objects.order_by("-at", "-pk")]
    assert digests() == everything
    assert len(digests("purged")) == 65
    assert len(digests("", "r3")) == 26
    assert purges.removals("", "", "garbage-x").rows[0].digest == everything[0]


def test_a_repositorys_page_leads_to_its_purge(
    signed_in: SignedIn, mirror: Runtime, pulled: str
) -> None:
    row = models.Repository.objects.get(name="acme/shop")
    operator = signed_in("operator")
    page = operator.get(f"/dashboard/repositories/{row.pk}/").content.decode()
    assert f'name="what" value="{pulled}/acme/shop"' in page
    assert f'name="what" value="{pulled}/acme/shop:latest"' in page
    for what in (f"{pulled}/acme/shop", f"{pulled}/acme/shop:latest"):
        number, _ = ask(operator, what=what)
        assert PurgeOrder.objects.get(pk=number).images == 1
