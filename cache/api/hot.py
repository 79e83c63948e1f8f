"""The two requests that a pull consists of, GET of a manifest and of a blob, by the shortest way.

They are answered by the same views, and in the same words, as through Django's routes and
middleware, which take longer to get there than the views to answer. All other requests, and those
that are not clearly one of these two, go that other way.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, reset_queries
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from cache.api.blobs import blob, blob_head
from cache.api.bodies import BlobResponse
from cache.api.handlers import answering, note_reference, protocol_answers
from cache.api.headers import pairs
from cache.api.manifests import manifest

#: Where the request's view is left, with the name and the reference that it is asked for.
_ROUTE = "mirrorsite.route"


class PullRequest(WSGIRequest):
    """Django's, without what a body takes to be read: a pull has none."""

    def __init__(self, environ: dict[str, Any]) -> None:
        # Django's own does not call that of its parent either.
        self.environ = self.META = environ
        self.method = environ["REQUEST_METHOD"]
        self.path = self.path_info = environ["PATH_INFO"]
        self.resolver_match = None
        self.content_type = ""
        self.content_params = {}


Application = Callable[[dict[str, Any], Any], Iterable[bytes]]

#: As the routes read them: what stands last counts, and a name may hold any word.
_PATH = re.compile(r"/v2/([!-~]+)/(manifests|blobs)/([!-.0-~]+)")

_VIEWS: dict[tuple[str, str], Callable[[HttpRequest, str, str], HttpResponseBase]] = {
    ("GET", "manifests"): manifest,
    ("HEAD", "manifests"): manifest,
    ("GET", "blobs"): blob,
    ("HEAD", "blobs"): blob_head,
}


def answering_pulls(rest: Application) -> Application:
    """The WSGI application that answers pulls itself, and has ``rest`` answer everything else."""
    respond = protocol_answers(_respond)

    def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        match = _PATH.fullmatch(environ["PATH_INFO"])
        view = _VIEWS.get((environ["REQUEST_METHOD"], match[2])) if match else None
        if match is None or view is None or environ.get("SCRIPT_NAME") or _signs_in(environ):
            return rest(environ, start_response)
        environ[_ROUTE] = view, match[1], match[3]
        response = respond(PullRequest(environ))
        status = f"{response.status_code} {response.reason_phrase}"
        try:
            start_response(status, pairs(response))
        except BaseException:
            # A header of the configuration's that is none: nobody else closes the blob then.
            response.close()
            raise
        if isinstance(response, HttpResponse):
            return [response.content]
        return response.body if isinstance(response, BlobResponse) else response

    return answer


def leave_connections_to_questions() -> None:
    """Have Django tend to database connections around its own requests only.

    The hot requests' questions give theirs back themselves, see :mod:`cache.database`.
    """
    for signal, receiver in (
        (request_started, reset_queries),
        (request_started, close_old_connections),
        (request_finished, close_old_connections),
    ):
        if signal.disconnect(receiver):
            signal.connect(receiver, sender=WSGIHandler)


def _respond(request: HttpRequest) -> HttpResponseBase:
    view, name, reference = request.META[_ROUTE]
    note_reference(reference)
    return answering(lambda asked: view(asked, name, reference), request)


def _signs_in(environ: dict[str, Any]) -> bool:
    """Whether somebody has to be looked up by password, which asks the database in other ways."""
    told = environ.get("HTTP_AUTHORIZATION")
    return told is not None and told[:7].lower() != "bearer "
