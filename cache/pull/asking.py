"""Asking upstream, unless it has said a moment ago that there is no such thing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from cache import runtime
from cache.oci.digest import Digest
from cache.oci.reference import Tag
from cache.oci.repository import Repository
from cache.pull.permission import doubt
from cache.upstream import errors


@contextmanager
def asking(kind: str, repository: Repository, reference: Tag | Digest) -> Iterator[None]:
    """Around a request to upstream for a ``kind`` of thing (manifest, blob) in a repository.

    Raises :class:`errors.NotFound` without asking while a negative entry lasts, and makes one
    when upstream raises it.
    """
    mirror = runtime.current()
    negatives, ttl = mirror.negatives, mirror.proxy_of(repository).negative_ttl
    key = (kind, repository, reference)
    if negatives.has(key, ttl.total_seconds()):
        raise errors.NotFound(f"Upstream had no {kind} {reference} in {repository} a moment ago.")
    began = time.monotonic()
    try:
        yield
    except errors.NotFound:
        negatives.note(key)
        note_contact(repository.upstream)
        raise
    except errors.UpstreamError as error:
        if isinstance(error, errors.Denied):
            doubt(repository)
        note_contact(repository.upstream, error)
        raise
    # A blob's time is that of its bytes.
    seconds = time.monotonic() - began if kind == "manifest" else None
    note_contact(repository.upstream, seconds=seconds)


#: An upstream that refuses, or sends nonsense, is there all the same.
_AWAY = (errors.Unreachable, errors.TimedOut, errors.ServerFailed)

#: Our own shortage, the operator's wish, or failures that are known already: nothing new of it.
_NOT_ASKED = (errors.Busy, errors.Offline, errors.CircuitOpen)


def note_contact(
    upstream: str, error: errors.UpstreamError | None = None, *, seconds: float | None = None
) -> None:
    """Remember how an upstream answered: with ``error``, or well, after so many seconds."""
    contacts = runtime.current().contacts
    if isinstance(error, _NOT_ASKED):
        return
    if isinstance(error, _AWAY):
        contacts.failed(upstream, time.time(), str(error))
    else:
        contacts.answered(upstream, time.time(), seconds)
