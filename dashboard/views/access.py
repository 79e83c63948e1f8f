"""Access: who may pull what is private, with which tokens, and who failed to sign in."""

from __future__ import annotations

from axes.handlers.proxy import AxesProxyHandler
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from cache import runtime
from cache.access import grants, machine_tokens, reading, users, visibility
from cache.access.decision import Reach, Visibility
from cache.access.reading import Unreadable
from cache.oci.errors import quote
from dashboard.queries import access
from dashboard.views.page import needs, now, page, put_on_record

LONGEST_SEARCH = 200


@needs("cache.view_grant")
def overview(request: HttpRequest) -> HttpResponse:
    """The page."""
    text = request.GET.get("text", "")[:LONGEST_SEARCH].strip()
    user_names, group_names = access.holders()
    return page(
        request,
        "access.html",
        "Access",
        text=text,
        grants=access.found_grants(text),
        tokens=access.found_tokens(text, now()),
        rules=access.rules(),
        failures=access.failed_sign_ins(now()),
        user_names=user_names,
        group_names=group_names,
        upstreams=[one.name for one in runtime.current().config.upstreams],
    )


@require_POST
@needs("cache.add_grant")
def create_grant(request: HttpRequest) -> HttpResponse:
    """Give a user or a group the right to pull some private repositories."""
    form = request.POST
    try:
        reach, name = _reach(request), form.get("holder", "").strip()
        ends = form.get("ends", "").strip()
        end = reading.read_end(ends, now()) if ends else None
        if form.get("kind") == "group":
            grants.create(reach, group=_group(name), expires_at=end)
            who = f"the group {name}"
        else:
            grants.create(reach, user=_user(name), expires_at=end)
            who = name
    except Unreadable as error:
        return _refuse(request, error)
    return _done(request, "grant", str(reach), f"Granted to {who}.")


@require_POST
@needs("cache.delete_grant")
def remove_grant(request: HttpRequest) -> HttpResponse:
    """Take such a right away."""
    number = request.POST.get("grant", "")
    listed = next((one for one in grants.list_grants() if str(one.id) == number), None)
    if listed is None or not grants.remove(listed.id):
        return _refuse(request, Unreadable("there is no such grant any more"))
    who = listed.user or f"the group {listed.group}"
    return _done(request, "grant", str(listed.reach), f"Taken from {who}.")


@require_POST
@needs("cache.change_accesstoken")
def revoke_token(request: HttpRequest) -> HttpResponse:
    """Have an access token be worthless at once."""
    owner, name = request.POST.get("user", ""), request.POST.get("name", "")
    user = users.find_user(owner)
    if user is None or not machine_tokens.revoke(user, name, now()):
        error = f"{quote(owner)} has no access token {quote(name)} in force"
        return _refuse(request, Unreadable(error))
    return _done(request, "access token", f"{name} of {owner}", "Revoked.")


@require_POST
@needs("cache.add_visibilityrule")
def fix_visibility(request: HttpRequest) -> HttpResponse:
    """Say by hand whether repositories are public."""
    try:
        reach = _reach(request)
        found = _visibility(request.POST.get("visibility", ""))
    except Unreadable as error:
        return _refuse(request, error)
    visibility.fix(reach, found)
    return _done(request, "visibility", str(reach), f"Fixed as {found.value}.")


@require_POST
@needs("cache.delete_visibilityrule")
def unfix_visibility(request: HttpRequest) -> HttpResponse:
    """Have upstream say it again."""
    try:
        reach = _reach(request)
        if not visibility.unfix(reach):
            raise Unreadable(f"nothing is fixed for exactly {reach}")
    except Unreadable as error:
        return _refuse(request, error)
    return _done(request, "visibility", str(reach), "No longer fixed: upstream says it.")


@require_POST
@needs("auth.change_user")
def forget_failures(request: HttpRequest) -> HttpResponse:
    """Let an account be tried again from an address, before its wait is over."""
    name, address = request.POST.get("name", ""), request.POST.get("address", "")
    if not name or not AxesProxyHandler.reset_attempts(username=name, ip_address=address):
        return _refuse(request, Unreadable("no failed sign-in of that name is known any more"))
    said = f"May be tried again from {address}."
    return _done(request, "failed sign-ins", name, said)


def _done(request: HttpRequest, kind: str, subject: str, said: str) -> HttpResponse:
    put_on_record(request, kind, subject, said)
    messages.success(request, f"{subject}: {said} It counts at once.")
    return _back(request)


def _refuse(request: HttpRequest, error: Unreadable) -> HttpResponse:
    messages.error(request, f"Nothing was changed: {error}.")
    return _back(request)


def _back(request: HttpRequest) -> HttpResponse:
    """To the page where the form stood: that of a repository, or this one."""
    repository = request.POST.get("repository", "")
    if repository.isdecimal() and len(repository) < 19:
        return HttpResponseRedirect(reverse("admin:repository", args=[int(repository)]))
    return HttpResponseRedirect(reverse("admin:access"))


def _reach(request: HttpRequest) -> Reach:
    pattern = request.POST.get("pattern", "").strip()
    upstream = request.POST.get("upstream", "")
    return reading.read_reach(runtime.current().config, pattern, upstream)


def _user(name: str) -> int:
    found = users.find_user(name)
    if found is None:
        raise Unreadable(f"there is no user {quote(name)}")
    return found


def _group(name: str) -> int:
    found = grants.find_group(name)
    if found is None:
        raise Unreadable(f"there is no group {quote(name)}")
    return found


def _visibility(given: str) -> Visibility:
    if given not in (Visibility.PUBLIC.value, Visibility.PRIVATE.value):
        raise Unreadable(f"found {quote(given)}; allowed are public and private")
    return Visibility(given)
