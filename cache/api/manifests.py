"""`/v2/<name>/manifests/<reference>`."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from ninja import Router

from cache import pull
from cache.api.counting import count_manifest
from cache.api.parsing import who_pulls_what
from cache.api.responses import manifest_response
from cache.oci.reference import parse_reference

router = Router()


@router.api_operation(["GET", "HEAD"], "/{path:name}/manifests/{reference}")
def manifest(request: HttpRequest, name: str, reference: str) -> HttpResponse:
    """Distribution specification, "Pulling manifests" (end-3)."""
    client, repository = who_pulls_what(request, name)
    wanted = parse_reference(reference)
    answer = pull.resolve_manifest(client, repository, wanted, request.META.get("HTTP_ACCEPT"))
    response = manifest_response(request, answer)
    count_manifest(request, repository, wanted, answer.outcome, len(response.content))
    return response
