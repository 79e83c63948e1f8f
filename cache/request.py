"""The request that a thread answers: on whose behalf it acts, and what became of it.

Whoever learns something of the request (who sends it, which repository it means) notes it here,
and at the end those are told who want to know of every request: the access log, for one.
"""

from __future__ import annotations

import itertools
import logging
import os
import re
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass

from cache.oci.repository import Repository

log = logging.getLogger(__name__)

#: What names a request to clients, to upstreams, and in the log.
HEADER = "X-Request-Id"

#: This mirror's own access tokens, in whatever they stand: a path, a `Referer`. One in an address
#: may be written with escapes, from its first letter on. What has none, and is not before /v2, may
#: be the name of a repository, t/…
#: See cache.access.machine_tokens, which cannot be imported before Django is set up.
ACCESS_TOKEN = re.compile(
    r"mirror_[A-Za-z0-9_%-]{20,}|(?<=/t/)(?=[A-Za-z0-9_-]*(?:%|/v2\b))[A-Za-z0-9_%-]{43,}"
)

#: What others call a request is taken over if it is one word, of the characters that UUIDs, W3C and
#: vendors' trace ids are made of; an access token is such a word, too.
_SANE = re.compile(r"(?!.*mirror_)[A-Za-z0-9][A-Za-z0-9._~:/+=@-]{0,127}")


@dataclass(slots=True)
class Request:
    """A request, as far as it is known; empty is unknown.

    ``path`` is without its query and without an access token, ``client`` an address, ``outcome``
    what `X-Cache` says, ``error`` the protocol's code of a refusal. The last four are known at the
    end: the bytes of the body that left, the seconds that all of it took, and ``cut``, by whom the
    answer was broken off (`client`, `mirror`), if it was.
    """

    id: str
    method: str = ""
    path: str = ""
    client: str = ""
    agent: str = ""
    user: str = ""
    repository: Repository | None = None
    reference: str = ""
    outcome: str = ""
    error: str = ""
    status: int = 0
    sent: int = 0
    seconds: float = 0.0
    cut: str = ""


_current: ContextVar[Request | None] = ContextVar("request", default=None)
_listeners: list[Callable[[Request], None]] = []


def begin(request: Request | None) -> None:
    """From now on this thread answers ``request``, or none."""
    _current.set(request)


def current() -> Request | None:
    """The request on whose behalf this thread acts."""
    return _current.get()


def told_id(value: str | None) -> str:
    """The name of a request that came with that header: the one it has, or else a new one."""
    if value is not None and _SANE.fullmatch(value):
        return value
    return new_id()


def new_id() -> str:
    """A name that no other request has, of whatever process or mirror."""
    return f"{_prefix}{next(_numbers):08x}"


def listen(listener: Callable[[Request], None]) -> None:
    """Have ``listener`` be told of each request of this process when it is over.

    It is called by the thread that answered, whose client is served already: be quick.
    """
    _listeners.append(listener)


def ended(request: Request) -> None:
    """All of the answer has left, or none of the rest will."""
    for listener in _listeners:
        try:
            listener(request)
        except Exception:
            log.exception("A request's end was not noted")


def _begin_numbers() -> None:
    global _prefix, _numbers
    _prefix, _numbers = os.urandom(8).hex(), itertools.count(1)


_prefix = ""
_numbers = itertools.count(1)
_begin_numbers()
os.register_at_fork(after_in_child=_begin_numbers)
