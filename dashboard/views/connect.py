"""Connect a client: files to copy, perhaps with a fresh access token, and its first pull."""

from __future__ import annotations

from django.contrib import messages
from django.db import IntegrityError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.urls import reverse
from django.views.decorators.http import require_POST

from cache import runtime
from cache.access import machine_tokens, reading, users
from cache.access.reading import Unreadable
from cache.clients import Mirror
from cache.oci.errors import quote
from cache.overview import health
from dashboard.queries import clients
from dashboard.views.page import UNREADABLE, needs, now, page, part, put_on_record, text_of

#: Where a form for a token may stand, and where it leads back to if there was a mistake in it.
_FORMS = ("connect", "access")

#: Of all patterns together that limit a token.
LONGEST_LIMITS = 4096


def overview(request: HttpRequest) -> HttpResponse:
    """The page."""
    return _page(request, "", "")


def pulls(request: HttpRequest) -> HttpResponse:
    """Who has pulled since the page was opened."""
    try:
        since = float(text_of(request.GET, "since") or 0)
    except ValueError:
        since = 0.0
    return part(request, "connect_pulls.html", pulls=clients.last_pulls(health.pulses(), since))


@require_POST
@needs("cache.add_accesstoken")
def make_token(request: HttpRequest) -> HttpResponse:
    """Make an access token, and show it this once, in each client's file."""
    owner = text_of(request.POST, "user") or request.user.get_username()
    try:
        name = _name(text_of(request.POST, "name"))
        token = _make(owner, name, request.POST)
    except Unreadable as error:
        messages.error(request, f"No access token was made: {error}.")
        form = text_of(request.POST, "form")
        return HttpResponseRedirect(reverse(f"admin:{form if form in _FORMS else 'connect'}"))
    put_on_record(request, "access token", f"{name} of {owner}", "Made the access token.")
    return _page(request, token, f"{name} of {owner}")


def _make(owner: str, name: str, form: QueryDict) -> str:
    user = users.find_user(owner)
    if user is None:
        raise Unreadable(f"there is no user {quote(owner)}")
    config, ends = runtime.current().config, text_of(form, "ends")
    end = reading.read_end(ends, now()) if ends else None
    patterns = text_of(form, "limits", LONGEST_LIMITS).split()
    upstream = text_of(form, "upstream") or reading.EVERYWHERE
    limits = [reading.read_reach(config, pattern, upstream) for pattern in patterns]
    try:
        return machine_tokens.create(user, name, end, limits)
    except IntegrityError:
        raise Unreadable(
            f"{owner} has an access token {quote(name)} already; revoke it, or take another name"
        ) from None


def _name(given: str) -> str:
    longest = machine_tokens.LONGEST_NAME
    if not 0 < len(given) <= longest or not given.isprintable() or UNREADABLE in given:
        raise Unreadable(f"its name has to have 1 to {longest} characters that can be printed")
    return given


def _page(request: HttpRequest, token: str, whose: str) -> HttpResponse:
    """The mirror's address is the one by which the viewer came."""
    url = f"{request.scheme}://{request.get_host()}"
    return page(
        request,
        "connect.html",
        "Connect a client",
        url=url,
        files=clients.files(Mirror(runtime.current().config, url, token)),
        token=token,
        whose=whose,
        since=now().timestamp(),
        pulls=[],
    )
