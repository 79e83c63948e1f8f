"""Access: who may pull what is private, with which tokens, and who failed to sign in."""

from __future__ import annotations

from ipaddress import ip_address

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
from dashboard.views.page import is_key, needs, now, page, put_on_record, text_of


@needs("cache.view_grant")
def overview(request: HttpRequest) -> HttpResponse:
    """The page."""
    text = text_of(request.GET, "text")
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
        reach, name = _reach(request), text_of(form, "holder")
        ends = text_of(form, "ends")
        end = reading.read_end(ends, now()) if ends else None
        if text_of(form, "kind") == "group":
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
    number = text_of(request.POST, "grant")
    listed = next((one for one in grants.list_grants() if str(one.id) == number), None)
    if listed is None or not grants.remove(listed.id):
        return _refuse(request, Unreadable("there is no such grant any more"))
    who = listed.user or f"the group {listed.group}"
    return _done(request, "grant", str(listed.reach), f"Taken from {who}.")


@require_POST
@needs("cache.change_accesstoken")
def revoke_token(request: HttpRequest) -> HttpResponse:
    """Have an access token be worthless at once."""
    owner, name = text_of(request.POST, "user"), text_of(request.POST, "name")
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
        found = _visibility(text_of(request.POST, "visibility"))
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
    name, address = text_of(request.POST, "name"), text_of(request.POST, "address")
    if address and not _is_address(address):
        error = f"found {quote(address)}; allowed is an address of a client, such as 192.0.2.7"
        return _refuse(request, Unreadable(error))
    if not name or not AxesProxyHandler.reset_attempts(username=name, ip_address=address):
        return _refuse(request, Unreadable("no failed sign-in of that name is known any more"))
    said = f"May be tried again from {address or 'everywhere'}."
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
    repository = text_of(request.POST, "repository")
    if is_key(repository):
        return HttpResponseRedirect(reverse("admin:repository", args=[int(repository)]))
    return HttpResponseRedirect(reverse("admin:access"))


def _reach(request: HttpRequest) -> Reach:
    pattern = text_of(request.POST, "pattern")
    upstream = text_of(request.POST, "upstream")
    return reading.read_reach(runtime.current().config, pattern, upstream)


def _user(name: str) -> int:
    found = users.find_user(name)
    if found is None:
        raise Unreadable(f"there is no user {quote(name)}")
    return found


def _is_address(text: str) -> bool:
    """Whether PostgreSQL takes it for one, too: there, unlike here, none has a zone."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return "%" not in text


def _group(name: str) -> int:
    found = grants.find_group(name)
    if found is None:
        raise Unreadable(f"there is no group {quote(name)}")
    return found


def _visibility(given: str) -> Visibility:
    if given not in (Visibility.PUBLIC.value, Visibility.PRIVATE.value):
        raise Unreadable(f"found {quote(given)}; allowed are public and private")
    return Visibility(given)
