"""Every path that the mirror answers: the registry protocol, probes, and the dashboard."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from django.conf import settings
from django.contrib import admin
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import include, path

from cache.api import health, metrics
from cache.api.base import base_without_slash
from dashboard.theme import PLACE

if TYPE_CHECKING:
    from django.http import HttpRequest
    from django.urls import URLPattern, URLResolver

# Before its addresses are asked for: the pages of models register themselves.
admin.autodiscover()


def to_dashboard(request: HttpRequest) -> HttpResponse:  # noqa: ARG001
    """What a browser is after that was given the mirror's bare address."""
    return HttpResponseRedirect(PLACE)


urlpatterns: list[URLPattern | URLResolver] = [
    path("v2/", include("cache.api.urls")),
    path("v2", base_without_slash),  # what a client asks that strips the slash
    path("healthz", health.alive),
    path("readyz", health.ready),
    path("dashboard/", admin.site.urls),
    path("dashboard", to_dashboard),
    path("", to_dashboard),
]

_metrics = settings.MIRROR.http.metrics
if _metrics.enabled and _metrics.addr is None:
    urlpatterns.insert(0, path(_metrics.path[1:], metrics.scrape))


def _plain(status: HTTPStatus) -> HttpResponse:
    return HttpResponse(f"{status.value} {status.phrase}\n", "text/plain", status)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001
    return _plain(HTTPStatus.BAD_REQUEST)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001
    return _plain(HTTPStatus.NOT_FOUND)


def server_error(request: HttpRequest) -> HttpResponse:  # noqa: ARG001
    return _plain(HTTPStatus.INTERNAL_SERVER_ERROR)


# Outside `/v2/`, which renders its own errors.
handler400 = bad_request
handler404 = not_found
handler500 = server_error
