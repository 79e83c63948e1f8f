"""For pulls that nobody waits for: what is here, what is missing, how far a blob has come."""

from __future__ import annotations

import os
from collections.abc import Iterator

from cache import runtime
from cache.oci.digest import Digest
from cache.oci.manifest import Descriptor
from cache.pull.blobs import UNKNOWN, Arriving, failure_of
from cache.pull.refusals import from_source
from cache.streaming.source import SourceFailed


def missing_bytes(blob: Descriptor) -> int | None:
    """How many of the blob's bytes are not here; None if its manifest does not tell its size.

    A transfer that broke off is continued: what it has brought is here. ``OSError`` if the store
    cannot be looked into.
    """
    store = runtime.current().store
    held = store.stat(blob.digest)
    if held is not None and blob.size in (None, held):
        return 0
    if blob.size is None:
        return None
    return max(0, blob.size - _begun(blob.digest))


def watch_arriving(blob: Arriving) -> Iterator[int]:
    """How many bytes have arrived, twice a second at least, until the blob is in the store.

    Raises :class:`~cache.oci.errors.RegistryError`, also when the store does not take it: there is
    no client who could have it all the same.
    """
    try:
        yield from blob.fill.watch()
    except SourceFailed as failure:
        raise from_source(failure_of(blob, failure), UNKNOWN) from failure


def _begun(digest: Digest) -> int:
    fd = runtime.current().store.follow(digest)
    if fd is None:
        return 0
    try:
        return os.fstat(fd).st_size
    finally:
        os.close(fd)
