"""`GET /v2/`: that this is a registry."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from ninja import Router

from cache.api import handlers
from cache.api.challenges import asks_who_is_there
from cache.api.identity import identify
from cache.pull import Unauthorized

router = Router()


@router.api_operation(["GET", "HEAD"], "/")
def base(request: HttpRequest) -> HttpResponse:
    """Distribution specification, "Determining Support" (end-1).

    Docker's daemon reads challenges here and nowhere else, so it is here that a client is asked
    who it is, if it will have to say it anywhere.
    """
    # Any bearer token says enough: an anonymous client's too.
    has_token = "Authorization" in request.headers
    if identify(request).is_anonymous and not has_token and asks_who_is_there():
        raise Unauthorized("authentication is required")
    return HttpResponse(b"{}", content_type="application/json")


def base_without_slash(request: HttpRequest) -> HttpResponseBase:
    """The same for a client that leaves the slash out; ninja's routes all lie below it."""
    if request.method in ("GET", "HEAD"):
        return handlers.answering(base, request)
    return handlers.refuse_write(request)
