"""Pins: what is never evicted, made and taken away here or on the page of what is pinned."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from cache import retention
from cache.oci.digest import Digest
from cache.oci.errors import RegistryError, quote
from cache.oci.selection import Selection
from dashboard.queries import pins
from dashboard.views.page import is_key, needs, now, page, put_on_record, text_of


def overview(request: HttpRequest) -> HttpResponse:
    """The list."""
    kept = pins.every()
    return page(request, "pins.html", "Pins", kept=kept[: pins.MOST], more=len(kept) - pins.MOST)


@require_POST
@needs("cache.pin")
def pin(request: HttpRequest) -> HttpResponse:
    """Have something never be evicted."""
    selection = _selection(request)
    if selection is None:
        return _back(request)
    by = request.user.get_username()
    if retention.pin(selection, by, now()):
        put_on_record(request, "pin", selection.text, "Pinned.")
        messages.success(request, f"{selection} is pinned: it is never evicted.")
    else:
        messages.info(request, f"{selection} was pinned already.")
    return _back(request)


@require_POST
@needs("cache.pin")
def unpin(request: HttpRequest) -> HttpResponse:
    """Have it be evicted again when its time comes."""
    selection = _selection(request)
    if selection is None:
        return _back(request)
    if retention.unpin(selection):
        put_on_record(request, "pin", selection.text, "Unpinned.")
        messages.success(
            request, f"{selection} is not pinned any more: it goes when its time comes."
        )
    else:
        messages.error(request, f"Nothing was changed: there is no pin {selection} any more.")
    return _back(request)


def _selection(request: HttpRequest) -> Selection | None:
    """What the form names; None, with a message, if that is nothing."""
    text = text_of(request.POST, "what")
    try:
        return Selection.parse(text)
    except ValueError as error:
        allowed = "acme/app, library/node:20, acme/** or sha256:…"
        messages.error(
            request,
            f"Nothing was changed: found {quote(text)} ({error}); allowed is such as {allowed}.",
        )
        return None


def _back(request: HttpRequest) -> HttpResponse:
    """To the page where the form stood: of a repository, of a manifest of it, or the list."""
    key, digest = text_of(request.POST, "repository"), text_of(request.POST, "digest")
    if not is_key(key):
        return HttpResponseRedirect(reverse("admin:pins"))
    try:
        place = reverse("admin:manifest", args=[int(key), str(Digest.parse(digest))])
    except RegistryError:
        place = reverse("admin:repository", args=[int(key)])
    return HttpResponseRedirect(place)
