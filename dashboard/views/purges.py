"""Purges: chosen, previewed, confirmed, watched; and the record of everything that was removed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from urllib.parse import urlencode

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from cache import retention, wording
from cache.config import values
from cache.config.document import Scalar
from cache.config.values import Refused
from cache.models import Removal
from cache.oci.errors import quote
from cache.oci.selection import Selection
from cache.retention import NotThatWay, orders
from dashboard.queries import purges
from dashboard.queries.purges import Order
from dashboard.views.page import needs, page, part, put_on_record, text_of

LONGEST_WHY = 100
MOST_DAYS = 3650
#: 1024 TiB: far more than a store has, far less than a column of the database holds.
MOST_BYTES = 1024**5

REASONS = {
    "": "any",
    Removal.Reason.PURGED: "purged by an operator",
    Removal.Reason.EXPIRED: "not pulled for its ttl",
    Removal.Reason.MAX_SIZE: "the store was too large",
    Removal.Reason.MIN_FREE: "the disk was too full",
}


class Unreadable(Exception):
    """What was asked for means nothing; the message says what is allowed."""


def overview(request: HttpRequest) -> HttpResponse:
    """The page: what can be asked for, the last purges, and what was removed."""
    reason = text_of(request.GET, "reason")
    reason = reason if reason in REASONS else ""
    repository = text_of(request.GET, "repository")
    after = text_of(request.GET, "after")
    found = purges.removals(reason, repository, after)
    filters = {"reason": reason, "repository": repository, "after": found.after}
    return page(
        request,
        "purge.html",
        "Purge",
        what=text_of(request.GET, "what"),
        orders=purges.latest(),
        removals=found.rows,
        reasons=REASONS.items(),
        reason=reason,
        repository=repository,
        after=after,
        next=urlencode(filters) if found.after else "",
        most_days=MOST_DAYS,
        ttl=retention.current_policy().default_ttl,
    )


def one(request: HttpRequest, number: int) -> HttpResponse:
    """A purge: what it would remove, how far it is, or what came of it."""
    order = _order(number)
    return page(request, "purge_order.html", f"Purge {number}", **_shown(request, order))


def live(request: HttpRequest, number: int) -> HttpResponse:
    """The part of it that renews itself."""
    return part(request, "purge_now.html", **_shown(request, _order(number)))


@require_POST
@needs("cache.purge")
def ask(request: HttpRequest) -> HttpResponse:
    """Have something be looked for, which is shown before anything of it goes."""
    by = request.user.get_username()
    form, kind = request.POST, text_of(request.POST, "kind")
    why = text_of(form, "why", LONGEST_WHY)
    try:
        if kind == "age":
            number = orders.order_by_age(_age(text_of(form, "days")), by)
        elif kind == "size":
            number = orders.order_by_size(_size(text_of(form, "size")), by)
        else:
            days = text_of(form, "days")
            unused_for = _age(days) if days else None
            selection = _selection(text_of(form, "what"))
            number = orders.order_by_name(selection, by, unused_for, why)
    except Unreadable as error:
        messages.error(request, f"Nothing was looked for: {error}.")
        return HttpResponseRedirect(reverse("admin:purge"))
    except OSError as error:
        messages.error(request, f"Nothing was looked for: the store failed: {error.strerror}.")
        return HttpResponseRedirect(reverse("admin:purge"))
    return HttpResponseRedirect(reverse("admin:purge-order", args=[number]))


@require_POST
@needs("cache.purge")
def confirm(request: HttpRequest, number: int) -> HttpResponse:
    """Have what was shown go."""
    order = _order(number)
    with_pinned = text_of(request.POST, "with_pinned") == "yes"

    def change() -> None:
        orders.confirm(number, request.user.get_username(), with_pinned=with_pinned)

    images, alone = wording.count(order.images), wording.count(order.alone)
    said = f"Purged images: {images}, blobs without one: {alone}; {wording.size(order.expected)}"
    said += ", with what of it is pinned" if with_pinned and order.pinned else ""
    said += f": {order.why}." if order.why else "."
    return _change(request, order, change, said)


@require_POST
@needs("cache.purge")
def again(request: HttpRequest, number: int) -> HttpResponse:
    """Have it be looked for once more."""
    order = _order(number)
    by = request.user.get_username()
    return _change(request, order, lambda: orders.look_again(number, by), "")


@require_POST
@needs("cache.purge")
def go_on(request: HttpRequest, number: int) -> HttpResponse:
    """Have the rest of it go, too."""
    return _change(request, _order(number), lambda: orders.go_on(number), "Had the purge go on.")


@require_POST
@needs("cache.purge")
def stop(request: HttpRequest, number: int) -> HttpResponse:
    """Have no more of it go."""
    return _change(request, _order(number), lambda: orders.stop(number), "Stopped the purge.")


def _change(
    request: HttpRequest, order: Order, change: Callable[[], None], said: str
) -> HttpResponse:
    try:
        change()
    except NotThatWay as error:
        messages.error(request, f"Nothing was changed: {error}.")
    else:
        if said:
            put_on_record(request, "purge", f"{order.number}: {order.title}", said)
    return HttpResponseRedirect(reverse("admin:purge-order", args=[order.number]))


def _order(number: int) -> Order:
    order = purges.one(number)
    if order is None:
        raise Http404
    return order


def _shown(request: HttpRequest, order: Order) -> dict[str, object]:
    after = text_of(request.GET, "after")
    return {"order": order, "items": purges.items(order.number, after), "after": after}


def _selection(text: str) -> Selection:
    try:
        return Selection.parse(text)
    except ValueError as error:
        allowed = "library/node:20, acme/**, acme/app@sha256:… or sha256:…"
        raise Unreadable(f"found {quote(text)} ({error}); allowed is such as {allowed}") from None


def _age(text: str) -> timedelta:
    if not (text.isascii() and text.isdecimal() and 1 <= int(text) <= MOST_DAYS):
        raise Unreadable(f"found {quote(text)}; allowed are 1 to {MOST_DAYS} days")
    return timedelta(days=int(text))


def _size(text: str) -> int:
    try:
        found = values.size(Scalar(text))
    except Refused as refused:
        raise Unreadable(f"found {quote(text)}; allowed {refused.allowed}") from None
    if not 0 < found <= MOST_BYTES:
        allowed = f"a size such as 20GiB, from 1B to {MOST_BYTES // 1024**4}TiB"
        raise Unreadable(f"found {quote(text)}; allowed is {allowed}")
    return found
