"""Who sends a request: from a token, a password, a certificate, or what a trusted proxy says.

What a client says of itself is believed or refused, never passed over: a client whose token has
expired has to learn it. The first of these that a request has counts: the access token in its
path, the `Authorization` header, the certificate of its connection, the proxy's header.
"""

from __future__ import annotations

import base64
import binascii
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from django.http import HttpRequest

from cache import request as asking
from cache import runtime
from cache.access import bearer, machine_tokens, passwords
from cache.access.decision import ANONYMOUS, Client, Scope
from cache.access.users import client_named, client_of
from cache.api.forwarding import client_address, comes_from_proxy
from cache.api.path_tokens import PATH_TOKEN
from cache.naming import locate
from cache.oci.errors import RegistryError
from cache.oci.repository import Repository
from cache.pull import Unauthorized

#: What `access.certificate_user` is called in a certificate.
_CERTIFICATE_FIELDS = {"cn": "commonName", "email": "email", "dns": "DNS", "uri": "URI"}

_LONGEST_BASIC = 16 * 1024

#: What is refused in the same words, whatever is wrong with it.
_NOT_HERE = "the user name or password is not right here"


@dataclass(frozen=True, slots=True)
class Identity:
    """A client, and by which access token (its primary key) if it came with one."""

    client: Client
    machine_token: int | None = None


NOBODY = Identity(ANONYMOUS)


def identify(request: HttpRequest, scope: Callable[[], str] = str) -> Client:
    """The client that sends the request; raises :class:`RegistryError` (401, 429).

    ``scope`` tells what a client that is refused should ask a token for.
    """
    try:
        client = _identity(request).client
    except Unauthorized as refused:
        refused.scope = refused.scope or scope()
        raise
    note_user(client)
    return client


def note_user(client: Client) -> None:
    """Have those know who asked who hear of the request's end."""
    asked = asking.current()
    if asked is not None:
        asked.user = client.name


def who_signs_in(request: HttpRequest) -> Identity:
    """The same for the token endpoint, where a bearer token signs nobody in."""
    scheme, _ = _authorization(request)
    return NOBODY if scheme == "bearer" else _identity(request)


def by_password(request: HttpRequest, name: str, password: str) -> Identity:
    """Who has this password, which may be an access token; raises RegistryError (401, 429)."""
    if machine_tokens.looks_like_one(password):
        return _by_machine_token(password)
    mirror = runtime.current()
    try:
        client = passwords.verify(
            _attempt(request), name, password, mirror.remembered, mirror.now()
        )
    except passwords.TooManyFailures:
        raise RegistryError(
            "TOOMANYREQUESTS",
            "too many sign-ins have failed from here; try again in a quarter of an hour",
            headers={"Retry-After": str(passwords.WAIT)},
        ) from None
    if client is None:
        raise Unauthorized(_NOT_HERE)
    return Identity(client)


def of_subject(subject: bearer.Subject) -> Identity:
    """Who a bearer token speaks of, as that user is now; raises :class:`Unauthorized`."""
    mirror = runtime.current()
    if subject.machine_token is not None:
        signed = machine_tokens.still_signed_in(
            subject.machine_token, mirror.remembered, mirror.now()
        )
        return _used(signed)
    if subject.user is None:
        return NOBODY
    client = client_of(subject.user, mirror.remembered, mirror.now())
    if client is None or client.credential != subject.credential:
        raise _invalid("the token's user may not sign in any more, or has another password")
    return Identity(client)


def _identity(request: HttpRequest) -> Identity:
    in_path = request.META.get(PATH_TOKEN)
    if in_path is not None:
        return _by_machine_token(in_path)
    scheme, credentials = _authorization(request)
    if scheme == "bearer":
        return _by_bearer(credentials)
    if scheme == "basic":
        return by_password(request, *_name_and_password(credentials))
    if scheme:
        raise Unauthorized("only Bearer and Basic are known here")
    mirror = runtime.current()
    for name in _vouched_for(request):
        client = client_named(name, mirror.remembered, mirror.now())
        if client is not None:
            return Identity(client)
    return NOBODY


def _authorization(request: HttpRequest) -> tuple[str, str]:
    """The scheme in lower case and what follows it; both empty if there is no such header."""
    scheme, _, rest = request.META.get("HTTP_AUTHORIZATION", "").strip().partition(" ")
    return scheme.lower(), rest.strip()


def _by_bearer(token: str) -> Identity:
    if machine_tokens.looks_like_one(token):
        return _by_machine_token(token)
    mirror = runtime.current()
    try:
        subject, granted = bearer.read(mirror.keys, "access", token, mirror.now())
    except bearer.BadToken as error:
        raise _invalid(str(error)) from error
    found = of_subject(subject)
    scope = Scope(frozenset(_located(granted.repositories)), granted.catalog)
    return replace(found, client=replace(found.client, scope=scope))


def _located(names: tuple[str, ...]) -> Iterator[Repository]:
    """The repositories of these names, as far as they (still) mean one here."""
    for name in names:
        try:
            yield locate(runtime.current().config, name)
        except RegistryError:
            continue


def _by_machine_token(token: str) -> Identity:
    mirror = runtime.current()
    return _used(machine_tokens.sign_in(token, mirror.remembered, mirror.now()))


def _used(signed: machine_tokens.Signed | None) -> Identity:
    if signed is None:
        raise _invalid("the access token is not known, has expired or is revoked")
    mirror = runtime.current()
    mirror.traffic.use_token(signed.token, mirror.now())
    return Identity(signed.client, signed.token)


def _invalid(message: str) -> Unauthorized:
    return Unauthorized(message, error="invalid_token")


def _name_and_password(credentials: str) -> tuple[str, str]:
    """RFC 7617 section 2."""
    try:
        if len(credentials) > _LONGEST_BASIC:
            raise ValueError("too long")
        decoded = base64.b64decode(credentials, validate=True).decode()
    except (binascii.Error, ValueError):
        raise Unauthorized("the Basic credentials cannot be read") from None
    name, colon, password = decoded.partition(":")
    if not colon:
        raise Unauthorized("the Basic credentials cannot be read")
    return name, password


def _attempt(request: HttpRequest) -> HttpRequest:
    """What axes is shown of a sign-in, since it keeps what it sees: an address, and no more."""
    attempt = HttpRequest()
    attempt.META = {"REMOTE_ADDR": client_address(request), "PATH_INFO": "/v2/token"}
    return attempt


def _vouched_for(request: HttpRequest) -> Iterator[str]:
    """The names that the client's certificate, or a trusted proxy in front, gives it."""
    yield from _names_in_certificate(request.META.get("gunicorn.socket"))
    header = runtime.current().config.access.identity_header
    if header and comes_from_proxy(request):
        value = request.META.get(f"HTTP_{header.upper().replace('-', '_')}", "").strip()
        if value:
            yield _common_name(value) if "=" in value else value


def _names_in_certificate(connection: object) -> Iterator[str]:
    """What the certificate calls its owner; TLS has verified it against `http.tls.clientcas`."""
    if not isinstance(connection, ssl.SSLSocket):
        return
    try:
        certificate = connection.getpeercert() or {}
    except (OSError, ValueError):
        return
    kind = _CERTIFICATE_FIELDS[runtime.current().config.access.certificate_user]
    # The form is that of `ssl.SSLSocket.getpeercert`.
    subject: Any = certificate.get("subject", ())
    alternatives: Any = certificate.get("subjectAltName", ())
    fields = [pair for group in subject for pair in group] + list(alternatives)
    names = [str(value) for key, value in fields if key == kind]
    # Of several, none is more right than the others.
    if len(names) == 1:
        yield names[0]


def _common_name(subject: str) -> str:
    """The CN of a subject as proxies write it: RFC 4514 (`CN=a,O=b`) or OpenSSL's old `/O=b/CN=a`.

    Empty if there is not exactly one, or if anything in it is escaped.
    """
    parts = subject.split("/") if subject.startswith("/") else subject.split(",")
    names = [part.strip()[3:] for part in parts if part.strip().upper().startswith("CN=")]
    is_plain = len(names) == 1 and not any(mark in subject for mark in '\\"+')
    return names[0] if is_plain else ""
