"""`X-Request-Id`: each request has a name, which its answer tells, whatever becomes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from django.conf import settings

from cache import request
from cache.api.forwarding import address_of

#: Where the request is left for the server, which knows when it is over.
REQUEST = "mirrorsite.request"

_LONGEST_PATH = 1000
_LONGEST_AGENT = 300

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]


def naming_requests(application: Application) -> Application:
    """The WSGI application; its requests have names, and its answers say them."""

    def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        asked = request.Request(
            request.told_id(environ.get("HTTP_X_REQUEST_ID")),
            environ.get("REQUEST_METHOD", ""),
            environ.get("PATH_INFO", "")[:_LONGEST_PATH],
            address_of(environ, settings.MIRROR.http.trusted_proxies),
            environ.get("HTTP_USER_AGENT", "")[:_LONGEST_AGENT],
        )
        environ[REQUEST] = asked
        request.begin(asked)

        def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            headers.append((request.HEADER, asked.id))
            return start_response(status, headers, *rest)

        return application(environ, start)

    return answer
