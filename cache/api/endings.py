"""The end of each request: how it went, and how long it took, counted for `/metrics`."""

from __future__ import annotations

import time
from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from cache import meters
from cache.meters import families

_BEGAN = "mirrorsite.began"

#: By the last part but one of a path below `/v2/`.
_KINDS = {"manifests": "manifest", "blobs": "blob", "tags": "tags", "referrers": "referrers"}
_LONE = {"/v2/": "base", "/v2": "base", "/v2/_catalog": "catalog", "/v2/token": "token"}
_OTHERS = {
    "dashboard": "dashboard",
    "static": "static",
    "healthz": "health",
    "readyz": "health",
    "metrics": "metrics",
}

_METHODS = frozenset({"GET", "HEAD"})


def counted(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Middleware, the first one: counts each answer, a blob's when its last byte has gone."""

    def answer(request: HttpRequest) -> HttpResponseBase:
        request.META[_BEGAN] = time.perf_counter()
        response = get_response(request)
        # A blob's body says itself when it is over.
        if not (response.streaming and route_of(request.path_info) == "blob"):
            request_ended(request, response)
        return response

    return answer


def request_ended(request: HttpRequest, response: HttpResponseBase) -> None:
    """The answer has gone, or been given up."""
    route = route_of(request.path_info)
    method = request.method if request.method in _METHODS else "other"
    outcome = response.headers.get("X-Cache", "none").lower()
    meters.add(families.REQUESTS, route, method or "other", str(response.status_code), outcome)
    began = request.META.get(_BEGAN)
    if began is not None:
        seconds = time.perf_counter() - began
        meters.observe(families.REQUEST_SECONDS, route, outcome, value=seconds)


def route_of(path: str) -> str:
    """What is asked for at this path: one of a dozen words."""
    if path.startswith("/v2/"):
        if path in _LONE:
            return _LONE[path]
        parts = path.rsplit("/", 2)
        return _KINDS.get(parts[-2], "unknown")
    if path in _LONE:
        return _LONE[path]
    return _OTHERS.get(path[1:].partition("/")[0], "unknown")
