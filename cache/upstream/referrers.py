"""The referrers API's pages, put together (OCI Distribution Specification, "Listing Referrers")."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx

from cache.oci.descriptor import BadManifest, JsonObject, parse_object
from cache.upstream.answers import ReferrersAnswer, next_page, refuse_html
from cache.upstream.errors import BadAnswer

if TYPE_CHECKING:
    from cache.upstream.reply import Reply

MOST_PAGES = 50


@dataclass(frozen=True, slots=True)
class Page:
    """One page of the index; `following` is the address of the next one."""

    body: bytes
    index: JsonObject
    filtered: bool
    following: httpx.URL | None


def read_page(reply: Reply, url: httpx.URL, limit: int) -> Page:
    """Read the answer to a request for `url`, of at most `limit` bytes. Raises UpstreamError."""
    refuse_html(reply)
    body = reply.read(limit)
    try:
        index = parse_object(body)
    except BadManifest as error:
        raise BadAnswer(f"{reply.host} sent no index of referrers.") from error
    if not isinstance(index.get("manifests"), list):
        raise BadAnswer(f"{reply.host} sent an index of referrers without a list.")
    applied = (reply.header("oci-filters-applied") or "").lower().split(",")
    filtered = "artifacttype" in {name.strip() for name in applied}
    return Page(body, index, filtered, next_page(reply, url))


def join_pages(pages: Sequence[Page]) -> ReferrersAnswer:
    """The whole index: a single page stays as it was sent."""
    filtered = all(page.filtered for page in pages)
    if len(pages) == 1:
        return ReferrersAnswer(pages[0].body, filtered)
    manifests = [entry for page in pages for entry in page.index["manifests"]]
    return ReferrersAnswer(
        json.dumps({**pages[0].index, "manifests": manifests}).encode(), filtered
    )
