"""Transfers: what comes from upstream now, and what came last."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from cache.oci.digest import Digest
from cache.oci.errors import RegistryError
from cache.overview import health, transfers
from dashboard.views.page import needs, now, on_record, page, part, text_of


class _NotUnderWay(Exception):
    """Nothing fetches the blob, or nothing any more."""


def overview(request: HttpRequest) -> HttpResponse:
    """The page."""
    return page(request, "transfers.html", "Transfers", **_lists())


def live(request: HttpRequest) -> HttpResponse:
    """Its lists, which renew themselves."""
    return part(request, "transfers_now.html", **_lists())


@require_POST
@needs("cache.purge")
def cancel(request: HttpRequest) -> HttpResponse:
    """End a transfer. Its bytes stay, so that the next pull goes on from there."""
    try:
        digest = Digest.parse(text_of(request.POST, "digest"))
        with on_record(request, "transfer", str(digest), "Cancelled the transfer."):
            _cancel(digest)
    except RegistryError:
        messages.error(request, "There is no such transfer: its digest is not valid.")
    except _NotUnderWay:
        messages.error(request, f"Nothing was cancelled: no transfer of {digest} is under way.")
    else:
        messages.success(request, f"The transfer of {digest} ends with its next byte.")
    return HttpResponseRedirect(reverse("admin:transfers"))


def _cancel(digest: Digest) -> None:
    if not transfers.cancel(str(digest), now()):
        raise _NotUnderWay


def _lists() -> dict[str, Any]:
    found = health.pulses()
    return {"fillings": transfers.under_way(found, now()), "ended": transfers.ended(found)}
