"""Access tokens in the path: `/t/<token>/v2/…` is `/v2/…` for who has the token.

Docker's daemon never sends credentials to a mirror, but the mirror's address may have a path. What
stands there is taken out before anything sees the request, the server's own log included.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from cache.request import ACCESS_TOKEN

#: Where the token is left for who finds out who is there.
PATH_TOKEN = "mirrorsite.path_token"  # noqa: S105 - the name of a variable

_PATH = re.compile(r"/t/([^/]*)(?:(/v2(?:/.*)?)|.*)", re.DOTALL)
_SHOWN = "/t/[token]"

# See cache.access.machine_tokens, which cannot be imported before Django is set up.
_MARK = "mirror_"

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]


def taking_tokens(application: Application) -> Application:
    """The WSGI application, with the token of a path in the environment in place of the path."""

    def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path.startswith("/t/"):
            _take(environ, path)
        return application(environ, start_response)

    return answer


def hide_tokens(text: str) -> str:
    """The text with no access token in it, wherever a client has put one."""
    may_hold_one = _MARK in text or "/t/" in text
    return ACCESS_TOKEN.sub(f"{_MARK}...", text) if may_hold_one else text


def _take(environ: dict[str, Any], path: str) -> None:
    match = _PATH.fullmatch(path)
    token, rest = match.groups() if match else ("", None)
    query = environ.get("QUERY_STRING", "")
    shown = f"{_SHOWN}{rest or ''}{'?' if query else ''}{query}"
    environ.update({"RAW_URI": shown, "REQUEST_URI": shown})
    if rest is None:
        # Nothing else is there, whatever stands behind the token.
        environ["PATH_INFO"] = _SHOWN
        return
    environ.update({"PATH_INFO": rest, PATH_TOKEN: token})
