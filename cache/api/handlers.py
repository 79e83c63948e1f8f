"""Refusals: whatever goes wrong, the answer is the OCI error envelope."""

from __future__ import annotations

import logging
from collections.abc import Callable

from django.conf import settings
from django.db import Error as DatabaseError
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from ninja import NinjaAPI

from cache import request as asking
from cache.api.challenges import challenge
from cache.api.parsing import accepted_namespace
from cache.api.path_tokens import hide_tokens
from cache.oci.errors import RegistryError, quote
from cache.pull import OfflineByWish, Unauthorized

log = logging.getLogger(__name__)

_ENVELOPE = "application/json"

#: Seconds after which a client may try again when the database is locked or restarts.
_DATABASE_RETURNS = "5"

#: A digest of SHA-512 is the longest that means something.
_LONGEST_REFERENCE = 150

#: What Django and ninja refuse by themselves, before or beside our views.
_REFUSED_STATUSES = (400, 404, 405, 413)


def answering(
    view: Callable[[HttpRequest], HttpResponseBase], request: HttpRequest
) -> HttpResponseBase:
    """What a view that is none of ninja's answers, or the refusal for what it raises."""
    try:
        return view(request)
    except Exception as error:  # noqa: BLE001 - all of them have an answer
        return _answer(request, error)


def register(api: NinjaAPI) -> None:
    """Have ``api`` answer each error of its views in the protocol's terms."""
    # ninja has handlers of its own for some kinds: the nearest in a class's ancestry counts.
    for kind in (RegistryError, DatabaseError, OSError, Exception):
        api.add_exception_handler(kind, _answer)


def unmatched(request: HttpRequest) -> HttpResponse:
    """Any other path below `/v2/`."""
    if request.method not in ("GET", "HEAD"):
        return refuse_write(request)
    message = f"{quote(request.path)} is not an endpoint of the pull API"
    return error_response(RegistryError("UNSUPPORTED", message, status=404))


def refuse_write(request: HttpRequest) -> HttpResponse:
    """Any method but those that read."""
    return error_response(_writes_refused(request))


def error_response(error: RegistryError) -> HttpResponse:
    """The envelope, with the error's status and headers.

    What it quotes of the request may hold an access token, from an address that was put together
    wrongly; clients log what they are told.
    """
    asked = asking.current()
    if asked is not None:
        asked.error = error.code
    body = hide_tokens(error.envelope().decode())
    return HttpResponse(
        body, content_type=_ENVELOPE, status=error.status, headers=dict(error.headers)
    )


def protocol_answers(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Middleware for `/v2/`: the protocol's and the operator's headers, and no foreign errors."""
    common = {
        "Docker-Distribution-Api-Version": "registry/2.0",
        "X-Content-Type-Options": "nosniff",
        # An address may hold an access token.
        "Referrer-Policy": "no-referrer",
    }

    def answer(request: HttpRequest) -> HttpResponseBase:
        if request.path_info != "/v2" and not request.path_info.startswith("/v2/"):
            return get_response(request)
        # Whatever charset a client declares for a body that no request here has. To set it, Django
        # parses the query, for which there is nothing to do in most requests.
        if request.encoding is not None:
            request.encoding = "utf-8"
        response = get_response(request)
        if response.status_code >= 400 and response.headers.get("Content-Type") != _ENVELOPE:
            response = error_response(_foreign_refusal(request, response.status_code))
        if isinstance(response, HttpResponse):
            _head_like_get(request, response)
        _note(request, response)
        config = settings.MIRROR
        for name, value in common.items():
            response.headers[name] = value
        for name, values in config.http.headers.items():
            response.headers[name] = ", ".join(values)
        namespace = accepted_namespace(request, config.names)
        if namespace is not None and response.status_code < 400:
            response.headers["OCI-Namespace"] = namespace
        return response

    return answer


def note_reference(reference: str) -> None:
    """Have those know what was asked for who hear of the request's end."""
    asked = asking.current()
    if asked is not None:
        asked.reference = reference[:_LONGEST_REFERENCE]


def _note(request: HttpRequest, response: HttpResponseBase) -> None:
    """What the answer tells of the request to whoever hears of its end."""
    asked = asking.current()
    if asked is None:
        return
    asked.outcome = response.headers.get("X-Cache", "")
    match = request.resolver_match
    if match is not None:
        note_reference(match.kwargs.get("reference") or match.kwargs.get("digest", ""))


def _head_like_get(request: HttpRequest, response: HttpResponse) -> None:
    """Announce the length of what there is, and send a HEAD no body (RFC 9110 section 9.3.2)."""
    if response.status_code == 304:
        del response.headers["Content-Type"]
        return
    is_head = request.method == "HEAD"
    if "Content-Length" not in response.headers and (response.content or not is_head):
        response.headers["Content-Length"] = str(len(response.content))
    if is_head:
        response.content = b""


def _foreign_refusal(request: HttpRequest, status: int) -> RegistryError:
    if status == 405:
        return _writes_refused(request)
    code = "UNSUPPORTED" if status in _REFUSED_STATUSES else "UNKNOWN"
    return RegistryError(code, "the request is not understood", status=status)


def _writes_refused(request: HttpRequest) -> RegistryError:
    message = f"{quote(request.method or '')} is not allowed: this is a mirror, it can be read only"
    return RegistryError("UNSUPPORTED", message, status=405, headers={"Allow": "GET, HEAD"})


def _database_failed() -> RegistryError:
    message = "the mirror's database does not answer"
    return RegistryError("UNAVAILABLE", message, headers={"Retry-After": _DATABASE_RETURNS})


def _answer(request: HttpRequest, error: object) -> HttpResponse:
    """The one place where an exception of a view becomes an answer."""
    where = quote(request.path)
    if isinstance(error, RegistryError):
        if error.status >= 500:
            # Upstream's trouble, mostly, which is not the operator's to mend.
            level = logging.INFO if isinstance(error, OfflineByWish) else logging.WARNING
            log.log(level, "%s %s: %s", request.method, where, error.message)
        response = error_response(error)
        if isinstance(error, Unauthorized):
            response.headers["WWW-Authenticate"] = challenge(request, error)
        return response
    if isinstance(error, DatabaseError):
        log.error("The database failed at %s: %s", where, error)
        return error_response(_database_failed())
    if isinstance(error, OSError):
        log.error("The store failed at %s: %s", where, error)
        return error_response(RegistryError("UNAVAILABLE", "the mirror's store does not answer"))
    defect = error if isinstance(error, Exception) else None
    log.error("A defect at %s", where, exc_info=defect)
    return error_response(RegistryError("UNKNOWN", "the mirror failed; its log says more"))
