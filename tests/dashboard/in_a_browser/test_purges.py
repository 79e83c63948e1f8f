"""A purge from choice to result, and what becomes of the next pull."""

from __future__ import annotations

import random
from functools import partial
from typing import TYPE_CHECKING

import pytest

from cache.oci.digest import Digest
from tests.dashboard.in_a_browser import pictures
from tests.dashboard.in_a_browser.conftest import PAGES, Visit
from tests.dashboard.in_a_browser.traffic import pull_whole
from tests.e2e.mirror import Mirror
from tests.e2e.processes import eventually
from tests.fakes.images import Image
from tests.fakes.upstream import FakeUpstream
from tests.retention.operator import held, is_recorded, removals

if TYPE_CHECKING:
    from tests.dashboard.in_a_browser.browser import Visitor

pytestmark = pytest.mark.e2e

SHARED = random.Random("shared").randbytes(700_000)


def pulled(mirror: Mirror, upstream: FakeUpstream, name: str) -> Image:
    """An image that is here, and recorded so, with a layer that all such images share."""
    own = random.Random(name).randbytes(900_000)
    image = upstream.add_image(name, "latest", [SHARED, own])
    pull_whole(mirror, name, image)
    for data in (image.config, *image.layers):
        eventually(partial(is_recorded, mirror.root, Digest.of(data)), "it is recorded")
    return image


def preview(visitor: Visitor, name: str) -> None:
    """From the list of repositories to what a purge of one would remove."""
    visitor.go(PAGES["repositories"])
    visitor.page.get_by_role("searchbox", name="Name").fill(name)
    visitor.page.get_by_role("button", name="Find").click()
    visitor.page.get_by_role("link", name=f"ghcr.io/{name}").click()
    purge = f"Purge ghcr.io/{name}:latest, after a preview"
    visitor.page.get_by_role("button", name=purge).click()
    visitor.wait_for("would go, and")


def test_an_image_is_purged_and_the_next_pull_fetches_it_again(
    visit: Visit, mirror: Mirror, upstream: FakeUpstream
) -> None:
    image = pulled(mirror, upstream, "acme/bad")
    pulled(mirror, upstream, "acme/good")
    visitor = visit("operator")
    preview(visitor, "acme/bad")
    assert "ghcr.io/acme/good:latest" in visitor.text()
    assert "1 image would go, and 879 KiB come back." in visitor.text()
    assert visitor.barriers() == []
    pictures.keep(visitor.page, "purge-preview-light")
    assert str(Digest.of(image.layers[1])) in held(mirror.root)

    visitor.page.get_by_role("button", name="Purge, 879 KiB").click()
    visitor.wait_for("1 of 1 has gone")
    assert visitor.barriers() == []
    pictures.keep(visitor.page, "purge-done-light")
    assert str(Digest.of(image.layers[1])) not in held(mirror.root)
    assert str(Digest.of(SHARED)) in held(mirror.root)
    assert ("operator", "acme/bad", "purged") in {row[:3] for row in removals(mirror.root)}

    upstream.reset()
    pull_whole(mirror, "acme/bad", image)
    assert upstream.count("GET", f"/blobs/{Digest.of(image.layers[1])}") == 1
    assert upstream.count("GET", f"/blobs/{Digest.of(SHARED)}") == 0
    assert upstream.count("GET", f"/manifests/{image.digest}") == 1


def test_what_is_pinned_is_asked_for_again(
    visit: Visit, mirror: Mirror, upstream: FakeUpstream
) -> None:
    pulled(mirror, upstream, "acme/dear")
    visitor = visit("operator", dark=True)
    visitor.go(PAGES["pins"])
    visitor.page.get_by_label("Repository, tag, digest or pattern").fill("acme/dear")
    visitor.page.get_by_role("button", name="Pin", exact=True).click()
    visitor.wait_for("acme/dear is pinned: it is never evicted.")
    preview(visitor, "acme/dear")
    visitor.wait_for("1 of them is pinned.")
    assert visitor.barriers() == []
    pictures.keep(visitor.page, "purge-preview-dark")
    visitor.page.get_by_role("button", name="Purge, 879 KiB").click()
    visitor.wait_for("1 kept: it is pinned.")

    preview(visitor, "acme/dear")
    visitor.page.get_by_label("Purge what is pinned, too.").check()
    visitor.page.get_by_role("button", name="Purge, 879 KiB").click()
    visitor.wait_for("1 of 1 has gone")
    visitor.go(PAGES["pins"])
    visitor.page.get_by_role("button", name="Unpin acme/dear").click()
    visitor.wait_for("acme/dear is not pinned any more")


def test_a_viewer_watches_and_cannot_begin(
    visit: Visit, mirror: Mirror, upstream: FakeUpstream
) -> None:
    pulled(mirror, upstream, "acme/watched")
    operator = visit("operator")
    preview(operator, "acme/watched")
    viewer = visit("viewer")
    viewer.page.goto(operator.page.url)
    viewer.wait_for("would go, and")
    assert viewer.page.get_by_role("button", name="Purge").count() == 0
    csrf = viewer.page.context.cookies()
    token = next(str(one.get("value")) for one in csrf if one.get("name") == "mirrorsite_csrf")
    answer = viewer.page.request.post(
        f"{operator.page.url}confirm/",
        form={"csrfmiddlewaretoken": token},
        headers={"Referer": operator.page.url},
    )
    assert answer.status == 403
    assert "Your role may not do this" in answer.text()
    operator.page.get_by_role("button", name="Purge, 879 KiB").click()
    operator.wait_for("1 of 1 has gone")


@pytest.mark.parametrize("width", [360, 2560])
def test_a_preview_can_be_read_on_any_screen(
    visit: Visit, mirror: Mirror, upstream: FakeUpstream, width: int
) -> None:
    long = f"acme/{'narrow' * 15}"  # with nowhere to break
    pulled(mirror, upstream, long)
    visitor = visit("operator", width=width, dark=True)
    preview(visitor, long)
    name = visitor.page.locator("tbody th").first.bounding_box()
    assert name is not None
    assert name["width"] < width - 100
    assert not visitor.is_wider_than_the_screen()
    assert visitor.barriers() == []
    if pictures.OF_ALL_WIDTHS:
        pictures.keep(visitor.page, f"purge-preview-dark-{width}")


def test_by_age_and_by_size_a_preview_comes_too(visit: Visit) -> None:
    visitor = visit("operator")
    visitor.go(PAGES["purge"])
    visitor.page.get_by_label("Purge by age").get_by_role("spinbutton").fill("3000")
    visitor.page.get_by_label("Purge by age").get_by_role("button").click()
    visitor.wait_for("everything that is not pinned was pulled since")
    visitor.go(PAGES["purge"])
    visitor.page.get_by_label("Bring back").fill("1MiB")
    visitor.page.get_by_label("Purge by size").get_by_role("button").click()
    visitor.wait_for("would go, and")
    # What is pinned may be named for what it shares, and does not go.
    names = visitor.page.locator("tbody th").all_inner_texts()
    assert names
    assert not [name for name in names if "acme/base/python" in name]
