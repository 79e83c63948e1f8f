"""`GET /v2/`: that this is a registry."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from ninja import Router

from cache.api import handlers

router = Router()


@router.api_operation(["GET", "HEAD"], "/")
def base(request: HttpRequest) -> HttpResponse:  # noqa: ARG001 - ninja passes it by name
    """Distribution specification, "Determining Support" (end-1)."""
    return HttpResponse(b"{}", content_type="application/json")


def base_without_slash(request: HttpRequest) -> HttpResponse:
    """The same for a client that leaves the slash out; ninja's routes all lie below it."""
    if request.method in ("GET", "HEAD"):
        return base(request)
    return handlers.refuse_write(request)
