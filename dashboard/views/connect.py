"""Connect a client: files to copy, perhaps with a fresh access token, and its first pull."""

from __future__ import annotations

from django.contrib import messages
from django.db import IntegrityError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from cache import runtime
from cache.access import machine_tokens, reading, users
from cache.access.reading import Unreadable
from cache.clients import Mirror
from cache.oci.errors import quote
from cache.overview import health
from dashboard.queries import clients
from dashboard.views.page import needs, now, page, part, put_on_record

#: Where a form for a token may stand, and where it leads back to if there was a mistake in it.
_FORMS = ("connect", "access")


def overview(request: HttpRequest) -> HttpResponse:
    """The page."""
    return _page(request, "", "")


def pulls(request: HttpRequest) -> HttpResponse:
    """Who has pulled since the page was opened."""
    try:
        since = float(request.GET.get("since", 0))
    except ValueError:
        since = 0.0
    return part(request, "connect_pulls.html", pulls=clients.last_pulls(health.pulses(), since))


@require_POST
@needs("cache.add_accesstoken")
def make_token(request: HttpRequest) -> HttpResponse:
    """Make an access token, and show it this once, in each client's file."""
    owner = request.POST.get("user", "").strip() or request.user.get_username()
    try:
        name = _name(request.POST.get("name", "").strip())
        token = _make(owner, name, request.POST)
    except Unreadable as error:
        messages.error(request, f"No access token was made: {error}.")
        form = request.POST.get("form")
        return HttpResponseRedirect(reverse(f"admin:{form if form in _FORMS else 'connect'}"))
    put_on_record(request, "access token", f"{name} of {owner}", "Made the access token.")
    return _page(request, token, f"{name} of {owner}")


def _make(owner: str, name: str, form: dict[str, str]) -> str:
    user = users.find_user(owner)
    if user is None:
        raise Unreadable(f"there is no user {quote(owner)}")
    config, ends = runtime.current().config, form.get("ends", "").strip()
    end = reading.read_end(ends, now()) if ends else None
    patterns = form.get("limits", "").split()
    upstream = form.get("upstream", reading.EVERYWHERE)
    limits = [reading.read_reach(config, pattern, upstream) for pattern in patterns]
    try:
        return machine_tokens.create(user, name, end, limits)
    except IntegrityError:
        raise Unreadable(
            f"{owner} has an access token {quote(name)} already; revoke it, or take another name"
        ) from None


def _name(given: str) -> str:
    if not 0 < len(given) <= machine_tokens.LONGEST_NAME or not given.isprintable():
        raise Unreadable(f"its name has to have 1 to {machine_tokens.LONGEST_NAME} characters")
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
