"""The page for whoever asks while the database does not answer: it needs none itself."""

from __future__ import annotations

import logging
import sqlite3

from django.conf import settings
from django.contrib.sessions.exceptions import SessionInterrupted
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string

from cache.database import TROUBLE

#: What :func:`unavailable` may have an answer to. A session that could not be saved is one that
#: somebody else has ended, or the database did not take it.
MAY_BE_TROUBLE = (*TROUBLE, SessionInterrupted)

log = logging.getLogger(__name__)


def unavailable(request: HttpRequest, error: Exception) -> HttpResponse | None:
    """The answer (503) if ``error`` is a database's that is locked or gone; None for any other.

    The log has the reason, which may name addresses and users.
    """
    if not _is_trouble(error):
        return None
    log.error("The database failed at %s: %s", request.path, " ".join(str(error).split()))
    # Without the request: what the site's templates ask of it is in the database.
    page = render_to_string(
        "503.html", {"address": request.get_full_path(), "was_sent": request.method == "POST"}
    )
    return HttpResponse(page, status=503, headers={"Retry-After": settings.DATABASE_PATIENCE})


def _is_trouble(error: BaseException | None) -> bool:
    if isinstance(error, SessionInterrupted):
        error = error.__context__ and error.__context__.__context__
    # SQLite says it also of a table that is not there, which is a defect.
    code = getattr(error and error.__cause__, "sqlite_errorcode", None)
    return isinstance(error, TROUBLE) and code != sqlite3.SQLITE_ERROR
