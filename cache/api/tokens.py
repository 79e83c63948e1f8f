"""`/v2/token`: signing in, for a token that says what was granted.

Docker's "Token Authentication Specification" (GET) and its "OAuth2 Token Authentication" (POST).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import parse_qs

from django.http import HttpRequest, HttpResponse, JsonResponse
from ninja import Router

from cache import pull, runtime
from cache.access import bearer, scopes
from cache.access.bearer import Granted, Subject
from cache.access.decision import Client
from cache.api.identity import NOBODY, Identity, by_password, note_user, of_subject, who_signs_in
from cache.naming import locate
from cache.oci.errors import RegistryError
from cache.pull import Unauthorized

router = Router()

_LARGEST_FORM = 64 * 1024
_MOST_FIELDS = 100
_FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a client wants a token for, and whether it wants one for later, too."""

    wanted: list[scopes.Wanted]
    is_offline: bool


@router.get("/token")
def token(request: HttpRequest) -> HttpResponse:
    """A token for whoever the request's credentials say; without any, an anonymous one."""
    asked = _Asked(
        scopes.parse(request.GET.getlist("scope")),
        request.GET.get("offline_token", "").lower() in ("1", "true"),
    )
    return _answer(asked, lambda: who_signs_in(request))


@router.post("/token")
def token_oauth2(request: HttpRequest) -> HttpResponse:
    """The same with the credentials in a form: a password, or a refresh token in its place."""
    form = _form(request)
    asked = _Asked(scopes.parse([form.get("scope", "")]), form.get("access_type") == "offline")
    kind = form.get("grant_type")
    if kind == "password":
        name, password = form.get("username", ""), form.get("password", "")
        return _answer(asked, lambda: by_password(request, name, password))
    if kind == "refresh_token":
        refresh = form.get("refresh_token", "")
        return _answer(asked, lambda: _by_refresh_token(refresh), refresh)
    message = "grant_type is not known: allowed are password and refresh_token"
    raise RegistryError("UNSUPPORTED", message, status=400)


def _answer(asked: _Asked, sign_in: Callable[[], Identity], refresh: str = "") -> HttpResponse:
    try:
        identity = sign_in()
    except RegistryError as refused:
        if not _may_be_anybody(asked):
            return _refused(refused)
        # A daemon offers the credentials that it has for Docker Hub. Its pulls of public images
        # go on as if it had not.
        identity = NOBODY
    is_nobody = identity.client.is_anonymous
    if is_nobody and runtime.current().config.access.anonymous == "none":
        return _refused(Unauthorized("authentication is required"))
    return _issue(identity, asked, refresh)


def _may_be_anybody(asked: _Asked) -> bool:
    """A login, which names no scope, has to fail if it fails."""
    return bool(asked.wanted) and runtime.current().config.access.anonymous == "public"


def _refused(error: RegistryError) -> HttpResponse:
    """A refusal; unlike elsewhere its challenge is Basic, as no token helps to get a token."""
    headers = dict(error.headers)
    if error.status == 401:
        headers["WWW-Authenticate"] = f'Basic realm="{bearer.SERVICE}"'
    return HttpResponse(
        error.envelope(), content_type="application/json", status=error.status, headers=headers
    )


def _issue(identity: Identity, asked: _Asked, refresh: str) -> HttpResponse:
    mirror = runtime.current()
    access, now = mirror.config.access, mirror.now()
    client = identity.client
    note_user(client)
    granted = _granted(client, asked.wanted)
    subject = Subject(
        client.user,
        identity.machine_token,
        "" if identity.machine_token is not None else client.credential,
    )
    signed = bearer.issue(mirror.keys, "access", subject, granted, now, access.token_lifetime)
    body: dict[str, object] = {
        "token": signed,
        "access_token": signed,
        "expires_in": int(access.token_lifetime.total_seconds()),
        "issued_at": _rfc3339(now),
        "scope": " ".join(_as_scopes(granted)),
    }
    if refresh or (asked.is_offline and not client.is_anonymous):
        body["refresh_token"] = refresh or bearer.issue(
            mirror.keys, "refresh", subject, Granted(), now, access.refresh_lifetime
        )
    return JsonResponse(body, headers={"Cache-Control": "no-store"})


def _granted(client: Client, wanted: list[scopes.Wanted]) -> Granted:
    """What the client may have of what it wants: to pull, and nothing else."""
    names = dict.fromkeys(scope.name for scope in wanted if scope.is_pull)
    return Granted(
        tuple(name for name in names if _may_pull(client, name)),
        any(scope.is_catalog for scope in wanted),
    )


def _may_pull(client: Client, name: str) -> bool:
    try:
        repository = locate(runtime.current().config, name)
    except RegistryError:
        return False
    return pull.may_pull(client, repository)


def _by_refresh_token(text: str) -> Identity:
    mirror = runtime.current()
    try:
        subject, _ = bearer.read(mirror.keys, "refresh", text, mirror.now())
    except bearer.BadToken as error:
        raise Unauthorized(str(error)) from error
    return of_subject(subject)


def _form(request: HttpRequest) -> dict[str, str]:
    """The fields of a form, the first of each name; raises :class:`RegistryError`."""
    length = request.headers.get("Content-Length") or "0"
    if not (length.isascii() and length.isdigit()) or int(length[:9]) > _LARGEST_FORM:
        raise RegistryError("UNSUPPORTED", "the form is too large", status=413)
    if request.content_type != _FORM:
        raise RegistryError("UNSUPPORTED", f"a form has to be {_FORM}", status=400)
    try:
        body = request.read(_LARGEST_FORM)
    except OSError:
        raise RegistryError("UNSUPPORTED", "the form did not arrive", status=408) from None
    try:
        fields = parse_qs(
            body.decode(),
            keep_blank_values=True,
            max_num_fields=_MOST_FIELDS,
            errors="strict",
        )
    except ValueError:
        raise RegistryError("UNSUPPORTED", "the form cannot be read", status=400) from None
    return {name: values[0] for name, values in fields.items()}


def _as_scopes(granted: Granted) -> list[str]:
    found = [scopes.of_repository(name) for name in granted.repositories]
    return [*found, scopes.OF_CATALOG] if granted.catalog else found


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
