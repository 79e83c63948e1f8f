"""`GET /v2/`: that this is a registry."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from ninja import Router

router = Router()


@router.api_operation(["GET", "HEAD"], "/")
def base(request: HttpRequest) -> HttpResponse:  # noqa: ARG001 - ninja passes it by name
    """Distribution specification, "Determining Support" (end-1)."""
    return HttpResponse(b"{}", content_type="application/json")
