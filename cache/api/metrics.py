"""The path at which Prometheus reads the metrics, among all others."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from cache import metrics


@require_safe
def scrape(request: HttpRequest) -> HttpResponse:
    """All metrics, for who has the token."""
    if not metrics.is_admitted(
        request.headers.get("Authorization"), settings.MIRROR.http.metrics.token
    ):
        headers = {"WWW-Authenticate": 'Bearer realm="metrics"', "Cache-Control": "no-store"}
        return HttpResponse("401 Unauthorized\n", "text/plain", 401, headers=headers)
    return HttpResponse(
        metrics.exposition(),
        content_type=metrics.CONTENT_TYPE,
        headers={"Cache-Control": "no-store"},
    )
