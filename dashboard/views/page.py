"""How a page of ours stands in the site, and who may do what on it."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, cast

from django.contrib import admin
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse, QueryDict
from django.template.response import TemplateResponse

from cache.models import Right

View = Callable[..., HttpResponse]

#: No name, pattern or search is longer.
LONGEST_TEXT = 512

#: Stands for a character that cannot be printed.
UNREADABLE = "\N{REPLACEMENT CHARACTER}"

#: So many digits are more than 64 bits can have.
_LONGEST_KEY = 19

#: PostgreSQL stores no NUL, its driver sends no lone surrogate, and nobody means any of the others.
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def page(request: HttpRequest, template: str, title: str, **context: Any) -> TemplateResponse:
    """A whole page, with the site's menu around it."""
    request.current_app = admin.site.name
    around = admin.site.each_context(request)
    return TemplateResponse(request, f"dashboard/{template}", {**around, "title": title, **context})


def part(request: HttpRequest, template: str, **context: Any) -> TemplateResponse:
    """A part of a page that renews itself."""
    request.current_app = admin.site.name
    return TemplateResponse(request, f"dashboard/{template}", context)


def needs(permission: str) -> Callable[[View], View]:
    """Refuse (403) whoever lacks the permission, before the view does anything."""

    def decorate(view: View) -> View:
        @functools.wraps(view)
        def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if not request.user.has_perm(permission):
                raise PermissionDenied
            return view(request, *args, **kwargs)

        return checked

    return decorate


def text_of(fields: QueryDict, name: str, longest: int = LONGEST_TEXT) -> str:
    """What a query or a form says under this name, without blanks around it; empty if nothing.

    It can be printed and stored: a control character becomes :data:`UNREADABLE`, and what is too
    long is cut and ends in an ellipsis. Nothing has a name with one of these, so that what remains
    of a text cannot mean something else.
    """
    given = fields.get(name, "").strip()
    text = _UNPRINTABLE.sub(UNREADABLE, given[:longest])
    return text if len(given) <= longest else f"{text[:-1]}…"


def is_key(text: str) -> bool:
    """Whether this could be the primary key of a row."""
    return text.isdecimal() and len(text) < _LONGEST_KEY


def put_on_record(request: HttpRequest, kind: str, subject: str, said: str) -> None:
    """Who did what: ``said`` is a sentence about the ``subject``, of a ``kind`` of thing."""
    LogEntry.objects.create(
        user_id=cast("int", request.user.pk),
        content_type=ContentType.objects.get_for_model(Right),
        object_id=kind,
        object_repr=subject[:200],
        action_flag=CHANGE,
        change_message=said,
    )


@contextmanager
def on_record(request: HttpRequest, kind: str, subject: str, said: str) -> Iterator[None]:
    """Around something done outside of the database: not without a record, and no record without.

    The record is as :func:`put_on_record` has it. What the block raises leaves none.
    """
    with transaction.atomic():
        put_on_record(request, kind, subject, said)
        yield


def now() -> datetime:
    """The moment for which a page is made."""
    return datetime.now(UTC)
