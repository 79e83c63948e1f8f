"""Connect a client: files to copy, and whether its first pull has come."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from dashboard.queries import clients, health
from dashboard.views.page import now, page, part


def overview(request: HttpRequest) -> HttpResponse:
    """The page. The mirror's address is the one by which the viewer came."""
    is_secure = request.is_secure() or settings.MIRROR.http.tls is not None
    scheme, host = "https" if is_secure else "http", request.get_host()
    since = now().timestamp()
    return page(
        request,
        "connect.html",
        "Connect a client",
        url=f"{scheme}://{host}",
        snippets=clients.snippets(scheme, host),
        since=since,
        pulls=[],
    )


def pulls(request: HttpRequest) -> HttpResponse:
    """Who has pulled since the page was opened."""
    try:
        since = float(request.GET.get("since", 0))
    except ValueError:
        since = 0.0
    return part(request, "connect_pulls.html", pulls=clients.last_pulls(health.pulses(), since))
