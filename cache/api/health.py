"""`/healthz` and `/readyz`: what load balancers and orchestrators ask."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

from cache import readiness

_NEWLY = {"Cache-Control": "no-store"}


@require_safe
def alive(request: HttpRequest) -> HttpResponse:  # noqa: ARG001
    """That the process answers at all: who restarts it for anything else would not mend that."""
    return JsonResponse({"status": "ok"}, headers=_NEWLY)


@require_safe
def ready(request: HttpRequest) -> HttpResponse:  # noqa: ARG001
    """Whether pulls can be served: 200, also while something is degraded, or 503.

    The body names what is wrong.
    """
    found = readiness.readiness()
    status = 503 if found.condition is readiness.Condition.DOWN else 200
    return JsonResponse(found.facts(), status=status, headers=_NEWLY)
