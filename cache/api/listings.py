"""`/v2/<name>/tags/list`, `/v2/<name>/referrers/<digest>` and `/v2/_catalog`."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from ninja import Router

from cache import pull
from cache.access.scopes import OF_CATALOG
from cache.api.identity import identify
from cache.api.parsing import parse_page, parse_upstream, who_pulls_what
from cache.api.responses import names_response, outcome_headers
from cache.oci.digest import Digest
from cache.oci.media_types import OCI_INDEX

router = Router()


@router.api_operation(["GET", "HEAD"], "/_catalog")
def catalog(request: HttpRequest) -> HttpResponse:
    """What is cached here (Docker Registry HTTP API V2, "Listing Repositories")."""
    client = identify(request, lambda: OF_CATALOG)
    page = pull.list_repositories(client, parse_upstream(request), *parse_page(request))
    return names_response(request, {"repositories": page.names}, page)


@router.api_operation(["GET", "HEAD"], "/{path:name}/tags/list")
def tags(request: HttpRequest, name: str) -> HttpResponse:
    """Distribution specification, "Listing Tags" (end-8a, end-8b)."""
    client, repository = who_pulls_what(request, name)
    page = pull.list_tags(client, repository, *parse_page(request))
    return names_response(request, {"name": name, "tags": page.names}, page)


@router.api_operation(["GET", "HEAD"], "/{path:name}/referrers/{digest}")
def referrers(request: HttpRequest, name: str, digest: str) -> HttpResponse:
    """Distribution specification, "Listing Referrers" (end-12a, end-12b)."""
    client, repository = who_pulls_what(request, name)
    wanted = request.GET.get("artifactType") or None
    found = pull.list_referrers(client, repository, Digest.parse(digest), wanted)
    headers = outcome_headers(found.outcome)
    if wanted is not None:
        headers["OCI-Filters-Applied"] = "artifactType"
    return HttpResponse(found.body, content_type=OCI_INDEX, headers=headers)
