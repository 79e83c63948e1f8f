"""Asking upstream, unless it has said a moment ago that there is no such thing."""

from __future__ import annotations

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
    try:
        yield
    except errors.NotFound:
        negatives.note(key)
        raise
    except errors.Denied:
        doubt(repository)
        raise
