"""`/v2/<name>/blobs/<digest>`."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from ninja import Router

from cache import pull
from cache.api.counting import count_request, counted_blob
from cache.api.parsing import who_pulls_what
from cache.api.responses import blob_head_response
from cache.oci.digest import Digest

router = Router()


@router.get("/{path:name}/blobs/{digest}")
def blob(request: HttpRequest, name: str, digest: str) -> HttpResponseBase:
    """Distribution specification, "Pulling blobs" (end-2)."""
    client, repository = who_pulls_what(request, name)
    with pull.open_blob(client, repository, Digest.parse(digest)) as opened:
        return counted_blob(request, repository, opened)


@router.api_operation(["HEAD"], "/{path:name}/blobs/{digest}")
def blob_head(request: HttpRequest, name: str, digest: str) -> HttpResponse:
    """Distribution specification, "Checking if content exists in the registry" (end-2)."""
    client, repository = who_pulls_what(request, name)
    parsed = Digest.parse(digest)
    response = blob_head_response(request, parsed, pull.stat_blob(client, repository, parsed))
    count_request(repository)
    return response
