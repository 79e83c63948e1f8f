"""Repositories: found, taken apart, checked at upstream, and made public or private."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from cache import catalog, models, retention
from cache.access import visibility
from cache.access.decision import Visibility
from cache.oci.digest import Digest
from cache.oci.reference import RepositoryName
from cache.oci.repository import Repository
from cache.report import Reporter
from cache.runtime import Runtime
from dashboard.queries import repositories, repository
from dashboard.queries.repositories import Query
from tests.dashboard.conftest import SignedIn
from tests.fakes.images import LINUX_ARM64, build_image, build_index
from tests.fakes.upstream import FakeUpstream

PAGE = "/dashboard/repositories/"

pytestmark = pytest.mark.django_db


@pytest.fixture
def pulled(mirror: Runtime, upstream: FakeUpstream, client: Client) -> str:
    """The name of the upstream of two repositories that share a layer."""
    for name, own in (("acme/shop", b"s" * 3000), ("acme/worker", b"w" * 500)):
        image = upstream.add_image(name, "latest", [b"b" * 1000, own])
        client.get(f"/v2/{name}/manifests/latest")
        there = Repository(mirror.config.proxy.name, RepositoryName(name))
        for layer in image.layers:
            catalog.link_blob(there, Digest.of(layer), mirror.now(), held=len(layer))
    client.get("/v2/acme/shop/manifests/latest")
    Reporter(mirror).flush()
    catalog.write_down(mirror.traffic)
    retention.add_up(mirror.now())
    return mirror.config.proxy.name


def key(name: str) -> int:
    return models.Repository.objects.get(name=name).pk


def names(query: Query, mirror: Runtime) -> list[str]:
    return [row.name for row in repositories.find(query, mirror.now()).rows]


def test_nothing_pulled_says_what_to_do(signed_in: SignedIn, mirror: Runtime) -> None:
    page = signed_in("viewer").get(PAGE).content.decode()
    assert "Nothing has been pulled yet" in page
    assert "/dashboard/connect/" in page


def test_the_list_says_what_each_holds_and_how_it_is_used(
    signed_in: SignedIn, mirror: Runtime, pulled: str
) -> None:
    page = signed_in("viewer").get(PAGE).content.decode()
    assert f"{pulled}/acme/shop</a>" in page
    shop, worker = repositories.find(Query(), mirror.now()).rows
    assert (shop.size, worker.size) == (4000, 1500)
    assert shop.use is not None
    assert worker.use is not None
    assert (shop.use.pulls, worker.use.pulls) == (2, 1)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (Query(text="SHOP"), ["acme/shop"]),
        (Query(upstream="elsewhere"), []),
        (Query(visibility="public"), ["acme/shop", "acme/worker"]),
        (Query(visibility="private"), []),
        (Query(pulled="1"), ["acme/shop", "acme/worker"]),
        (Query(pulled="never"), ["acme/idle"]),
        (Query(order="pulls"), ["acme/shop", "acme/worker"]),
        (Query(order="served", text="work"), ["acme/worker"]),
        (Query(order="recent"), ["acme/shop", "acme/worker"]),
        (Query(order="idle"), ["acme/idle", "acme/worker", "acme/shop"]),
        (Query(order="size"), ["acme/shop", "acme/worker", "acme/idle"]),
        (Query(size="0"), ["acme/idle"]),
        (Query(size="1"), []),
        (Query(order="pulls", pulled="never"), []),
    ],
)
def test_it_is_searched_filtered_and_sorted(
    mirror: Runtime, pulled: str, query: Query, found: list[str]
) -> None:
    models.Repository.objects.create(
        upstream="forgotten.example", name="acme/idle", first_seen_at=mirror.now()
    )
    assert names(query, mirror) == found


def all_pages(viewer: Client, order: str) -> list[list[str]]:
    """The names on each page of the list, as the links from one to the next lead."""
    pages: list[list[str]] = []
    link: str | None = f"?order={order}"
    while link is not None:
        page = unescape(viewer.get(f"{PAGE}{link}").content.decode())
        pages.append(re.findall(r"a/(acme/image-\d+)</a>", page))
        assert len(pages) < 9, "the links lead round and round"
        found = re.search(r'href="(\?[^"]*after=[^"]+)"', page)
        link = found and found[1]
    return pages


@pytest.mark.parametrize("order", repositories.ORDERS)
def test_pages_follow_one_another_without_a_gap(
    signed_in: SignedIn, mirror: Runtime, order: str
) -> None:
    """Each second one was never pulled, as after an import; some were pulled at one moment."""
    wanted = [f"acme/image-{number:03}" for number in range(2 * (2 * repositories.PAGE + 7))]
    today = mirror.now().replace(hour=0, minute=0, second=0, microsecond=0)
    for number, name in enumerate(wanted):
        models.Repository.objects.create(
            upstream="a",
            name=name,
            first_seen_at=today,
            size=1000 - number // 3,
            pulled_at=today - timedelta(seconds=number // 3) if number % 2 else None,
        )
        models.Traffic.objects.create(
            span="d", start=today, upstream="a", repository=name, pulls=1000 - number, served=number
        )
    pages = all_pages(signed_in("viewer"), order)
    seen = [name for page in pages for name in page]
    pulled, never = wanted[1::2], wanted[::2]
    # Those of one size, or one moment, stand in whatever order: each of them once.
    assert sorted(seen) == (pulled if order == "recent" else wanted)
    assert {len(page) for page in pages[:-1]} == {repositories.PAGE}
    if order in ("name", "pulls", "served"):
        assert seen == (wanted[::-1] if order == "served" else wanted)
    if order == "idle":
        assert sorted(seen[: len(never)]) == never


def test_old_pulls_are_not_counted(mirror: Runtime) -> None:
    then = mirror.now() - timedelta(days=40)
    models.Traffic.objects.create(span="d", start=then, upstream="a", repository="b", pulls=1)
    assert repositories.uses(mirror.now()) == {}


def test_a_repository_shows_its_tags_and_how_they_moved(
    signed_in: SignedIn, mirror: Runtime, upstream: FakeUpstream, client: Client, pulled: str
) -> None:
    first = models.Tag.objects.get(repository=key("acme/shop")).manifest.digest
    second = upstream.add_image("acme/shop", "latest", [b"new"])
    client.get("/v2/acme/shop/manifests/latest")
    page = signed_in("viewer").get(f"{PAGE}{key('acme/shop')}/").content.decode()
    assert f'title="{second.digest}"' in page
    assert f'title="{first}"' in page
    assert "asked for at the next pull" in page
    row = models.Repository.objects.get(name="acme/shop")
    latest, earliest = repository.moves(row, "latest")
    assert (latest.from_digest, latest.to_digest) == (first, str(second.digest))
    assert earliest.from_digest == ""
    (tag,) = repository.tags(row, "", "", mirror.now(), []).rows
    assert not tag.fresh
    assert tag.platforms == ()


def test_a_tag_says_when_it_was_pulled(mirror: Runtime, pulled: str) -> None:
    row = models.Repository.objects.get(name="acme/shop")
    (tag,) = repository.tags(row, "", "", mirror.now(), []).rows
    assert tag.pulled_at == row.pulled_at
    assert tag.pulled_at is not None


def test_an_index_shows_its_platforms_and_which_are_here(
    signed_in: SignedIn, mirror: Runtime, upstream: FakeUpstream, client: Client
) -> None:
    arm = build_image([b"arm"], platform=LINUX_ARM64)
    index = upstream.put_index("acme/multi", build_index([build_image([b"amd"]), arm]), "latest")
    client.get("/v2/acme/multi/manifests/latest", headers={"Accept": index.media_type})
    client.get(f"/v2/acme/multi/manifests/{arm.digest}")
    row = models.Repository.objects.get(name="acme/multi")
    (tag,) = repository.tags(row, "", "", mirror.now(), []).rows
    assert tag.platforms == ("linux/amd64", "linux/arm64/v8")
    contents = repository.contents(row, tag.digest)
    assert contents is not None
    assert [(child.platform, child.here) for child in contents.children] == [
        ("linux/amd64", False),
        ("linux/arm64/v8", True),
    ]


def test_layers_are_drawn_to_size_and_shared_ones_marked(
    signed_in: SignedIn, mirror: Runtime, pulled: str
) -> None:
    row = models.Repository.objects.get(name="acme/shop")
    digest = models.Tag.objects.get(repository=row).manifest.digest
    contents = repository.contents(row, digest)
    assert contents is not None
    config, base, own = contents.layers
    assert (config.kind, base.kind, own.kind) == ("config", "layer 1", "layer 2")
    assert (base.size, own.size) == (1000, 3000)
    assert own.part == pytest.approx(3 * base.part)
    assert (base.shared_with, base.others) == ((f"{pulled}/acme/worker",), 1)
    assert (own.shared_with, own.others) == ((), 0)
    assert (config.here, own.here) == (False, True)
    page = signed_in("viewer").get(f"{PAGE}{row.pk}/manifests/{digest}/").content.decode()
    assert "Layers, drawn to size" in page
    assert f"with {pulled}/acme/worker" in page


def test_a_manifest_is_shown_in_its_own_repository_only(
    signed_in: SignedIn, mirror: Runtime, pulled: str
) -> None:
    digest = models.Tag.objects.get(repository=key("acme/shop")).manifest.digest
    viewer = signed_in("viewer")
    assert viewer.get(f"{PAGE}{key('acme/worker')}/manifests/{digest}/").status_code == 404
    assert viewer.get(f"{PAGE}{key('acme/worker')}/manifests/sha256:x/").status_code == 404
    assert viewer.get(f"{PAGE}123456/").status_code == 404


def test_a_tag_is_checked_now(
    signed_in: SignedIn, mirror: Runtime, upstream: FakeUpstream, pulled: str
) -> None:
    operator = signed_in("operator")
    url = f"{PAGE}{key('acme/shop')}/check/"
    before = models.Tag.objects.get(repository=key("acme/shop")).checked_at
    page = operator.post(url, {"tag": "latest"}, follow=True).content.decode()
    assert "acme/shop:latest is where it was." in page
    assert models.Tag.objects.get(repository=key("acme/shop")).checked_at > before
    moved = upstream.add_image("acme/shop", "latest", [b"new"])
    page = operator.post(url, {"tag": "latest"}, follow=True).content.decode()
    assert "points to what upstream has now" in page
    assert f'title="{moved.digest}"' in page
    entry = LogEntry.objects.latest("pk")
    assert entry.object_repr == f"{pulled}/acme/shop:latest"


def test_a_check_that_upstream_does_not_answer_says_so(
    signed_in: SignedIn, mirror: Runtime, upstream: FakeUpstream, pulled: str
) -> None:
    upstream.stop()
    url = f"{PAGE}{key('acme/shop')}/check/"
    page = signed_in("operator").post(url, {"tag": "latest"}, follow=True).content.decode()
    assert "could not be checked" in page
    page = signed_in("administrator").post(url, {"tag": "no such"}, follow=True).content.decode()
    assert "no such" in page


def test_a_viewer_checks_nothing(signed_in: SignedIn, pulled: str) -> None:
    viewer = signed_in("viewer")
    url = f"{PAGE}{key('acme/shop')}/"
    assert viewer.post(f"{url}check/", {"tag": "latest"}).status_code == 403
    page = viewer.get(url).content.decode()
    assert "Check now</button>" not in page
    assert "Fix as private" not in page


def test_its_visibility_is_changed_from_its_page(
    signed_in: SignedIn, mirror: Runtime, pulled: str, client: Client
) -> None:
    administrator = signed_in("administrator")
    form = {
        "repository": str(key("acme/shop")),
        "upstream": pulled,
        "pattern": "acme/shop",
        "visibility": "private",
    }
    page = administrator.post("/dashboard/access/visibility/fix/", form, follow=True)
    assert page.redirect_chain[-1][0] == f"{PAGE}{key('acme/shop')}/"
    assert "private <span" in " ".join(unescape(page.content.decode()).split())
    assert [found for _, found in visibility.list_rules()] == [Visibility.PRIVATE]
    assert client.get("/v2/acme/shop/manifests/latest").status_code == 401
    assert client.get("/v2/acme/worker/manifests/latest").status_code == 200
    assert names(Query(visibility="private"), mirror) == ["acme/shop"]
