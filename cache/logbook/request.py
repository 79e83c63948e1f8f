"""Which request a record belongs to."""

from __future__ import annotations

import itertools
import os
from contextvars import ContextVar

_numbers = itertools.count(1)
_current: ContextVar[tuple[int, str, str] | None] = ContextVar("request", default=None)


def begin_request(method: str, path: str) -> None:
    """From now on this thread's records are this request's; the next one takes its place."""
    _current.set((next(_numbers), method, path))


def current_request() -> tuple[str, str] | None:
    """A name for the request, one of its own across all processes, and its first line."""
    current = _current.get()
    if current is None:
        return None
    number, method, path = current
    return f"{os.getpid():x}-{number:x}", f"{method} {path}"
