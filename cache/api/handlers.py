"""Refusals: whatever goes wrong, the answer is the OCI error envelope."""

from __future__ import annotations

import logging
from collections.abc import Callable

from django.conf import settings
from django.db import Error as DatabaseError
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from ninja import NinjaAPI

from cache.oci.errors import RegistryError, quote

log = logging.getLogger(__name__)

_ENVELOPE = "application/json"

#: What Django and ninja refuse by themselves, before or beside our views.
_CODES_BY_STATUS = {400: "UNSUPPORTED", 404: "UNSUPPORTED", 405: "UNSUPPORTED"}


def register(api: NinjaAPI) -> None:
    """Have ``api`` answer each error of its views in the protocol's terms."""
    for kind in (RegistryError, DatabaseError, OSError, Exception):
        api.add_exception_handler(kind, _answer)


def unmatched(request: HttpRequest) -> HttpResponse:
    """Any other path below `/v2/`."""
    if request.method not in ("GET", "HEAD"):
        return error_response(_writes_refused(request))
    message = f"{quote(request.path)} is not an endpoint of the pull API"
    return error_response(RegistryError("UNSUPPORTED", message, status=404))


def error_response(error: RegistryError) -> HttpResponse:
    """The envelope, with the error's status and headers."""
    return HttpResponse(
        error.envelope(), content_type=_ENVELOPE, status=error.status, headers=dict(error.headers)
    )


def protocol_answers(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Middleware for `/v2/`: the protocol's and the operator's headers, and no foreign errors."""
    common = {
        "Docker-Distribution-Api-Version": "registry/2.0",
        "X-Content-Type-Options": "nosniff",
    }
    operators = settings.MIRROR.http.headers

    def answer(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        if request.path_info != "/v2" and not request.path_info.startswith("/v2/"):
            return response
        if response.status_code >= 400 and response.headers.get("Content-Type") != _ENVELOPE:
            response = error_response(_foreign_refusal(request, response.status_code))
        if isinstance(response, HttpResponse) and "Content-Length" not in response.headers:
            response.headers["Content-Length"] = str(len(response.content))
        for name, value in common.items():
            response.headers[name] = value
        for name, values in operators.items():
            response.headers[name] = ", ".join(values)
        namespace = request.GET.get("ns")
        if namespace and response.status_code < 400:
            response.headers["OCI-Namespace"] = namespace
        return response

    return answer


def _foreign_refusal(request: HttpRequest, status: int) -> RegistryError:
    if status == 405:
        return _writes_refused(request)
    code = _CODES_BY_STATUS.get(status, "UNKNOWN")
    return RegistryError(code, "the request is not understood", status=status)


def _writes_refused(request: HttpRequest) -> RegistryError:
    message = f"{quote(request.method or '')} is not allowed: this is a mirror, it can be read only"
    return RegistryError("UNSUPPORTED", message, status=405, headers={"Allow": "GET, HEAD"})


def _answer(request: HttpRequest, error: object) -> HttpResponse:
    """The one place where an exception of a view becomes an answer."""
    where = quote(request.path)
    if isinstance(error, RegistryError):
        return error_response(error)
    if isinstance(error, DatabaseError):
        log.error("The database failed at %s: %s", where, error)
        return error_response(RegistryError("UNAVAILABLE", "the mirror's database does not answer"))
    if isinstance(error, OSError):
        log.error("The store failed at %s: %s", where, error)
        return error_response(RegistryError("UNAVAILABLE", "the mirror's store does not answer"))
    defect = error if isinstance(error, Exception) else None
    log.error("A defect at %s", where, exc_info=defect)
    return error_response(RegistryError("UNKNOWN", "the mirror failed; its log says more"))
