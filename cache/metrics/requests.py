"""The end of each request: how it went, and how long it took."""

from __future__ import annotations

from cache import meters
from cache.meters import families
from cache.request import Request

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


def count_request(request: Request) -> None:
    """All of an answer has left, or none of the rest will: for :func:`cache.request.listen`."""
    route = route_of(request.path)
    method = request.method if request.method in _METHODS else "other"
    outcome = request.outcome.lower() or "none"
    status = str(int(request.status)) if request.status else "none"
    meters.add(families.REQUESTS, route, method, status, outcome)
    if route != "unparsed":
        meters.observe(families.REQUEST_SECONDS, route, outcome, value=request.seconds)


def route_of(path: str) -> str:
    """What is asked for at this path: one of a dozen words; without a path it was no request."""
    if not path:
        return "unparsed"
    if path in _LONE:
        return _LONE[path]
    if path.startswith("/v2/"):
        return _KINDS.get(path.rsplit("/", 2)[-2], "unknown")
    return _OTHERS.get(path[1:].partition("/")[0], "unknown")
