"""Blobs: from the store, or from the fill that brings them there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

from cache import catalog, runtime
from cache.oci.digest import Digest
from cache.oci.repository import Repository
from cache.pull.refusals import (
    RATE_LIMITED,
    TIMED_OUT,
    from_source,
    from_upstream,
    kind_of,
    retry_after_of,
)
from cache.streaming.fill import Fill
from cache.streaming.filler import Order
from cache.streaming.reader import Reader
from cache.streaming.source import RANGE_REJECTED, SourceFailed, SourceStream
from cache.upstream import errors

UNKNOWN = "BLOB_UNKNOWN"

#: Upstream's answer to a fill is waited for so long (seconds). Its own timeouts and a fill's
#: retries end sooner; this bounds what a client can make us wait for in any case.
_LONGEST_WAIT = 120.0

#: A client's headers wait so long (seconds) for its first byte, since until then a failure can
#: still be told. containerd gives up on headers after 30.
_FIRST_BYTE = 15.0


@dataclass(frozen=True, slots=True)
class Held:
    """A blob in the store: ``file`` stands at its start and is the receiver's to close."""

    digest: Digest
    size: int
    file: BinaryIO


@dataclass(frozen=True, slots=True)
class Arriving:
    """A blob on its way; ``size`` in bytes is None when neither upstream nor a manifest told."""

    digest: Digest
    size: int | None
    fill: Fill


@contextmanager
def open_blob(repository: Repository, digest: Digest) -> Iterator[Held | Arriving]:
    """The blob, for as long as the block runs; take a reader of an arriving one inside it.

    Raises :class:`~cache.oci.errors.RegistryError`. Having the bytes is not enough: they are
    served in a repository only if upstream has given them, or vouches for them, there.
    """
    mirror = runtime.current()
    linked = catalog.is_blob_linked(repository, digest)
    file = mirror.store.open(digest)
    if file is None:
        with _join(repository, digest, linked=linked) as arriving:
            yield arriving
        return
    try:
        if not linked:
            _prove(repository, digest)
        yield Held(digest, os.fstat(file.fileno()).st_size, file)
    except BaseException:
        file.close()
        raise


def stat_blob(repository: Repository, digest: Digest) -> int | None:
    """The blob's size in bytes, None if upstream has it and does not tell; never starts a fill.

    Raises :class:`~cache.oci.errors.RegistryError`.
    """
    mirror = runtime.current()
    if catalog.is_blob_linked(repository, digest):
        held = mirror.store.stat(digest)
        if held is not None:
            return held
    promised = catalog.promised_size(repository, digest)
    return promised if promised is not None else _prove(repository, digest)


class Body:
    """The bytes of an arriving blob. Close it when done, also before the end.

    The iteration raises :class:`~cache.oci.errors.RegistryError` when the rest will not come: it
    must not end as if all were there.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._reader
        except SourceFailed as failure:
            raise from_source(failure, UNKNOWN) from failure

    def close(self) -> None:
        """Leave the fill, which goes on."""
        self._reader.close()


def read_arriving(blob: Arriving, start: int, stop: int | None) -> Body:
    """The bytes from ``start`` to ``stop`` (exclusive), once the first of them can be had.

    Raises :class:`~cache.oci.errors.RegistryError` when the fill fails before that.
    """
    try:
        blob.fill.wait_readable(start, _FIRST_BYTE)
    except SourceFailed as failure:
        raise from_source(failure, UNKNOWN) from failure
    return Body(Reader(blob.fill, start, stop))


@contextmanager
def _join(repository: Repository, digest: Digest, *, linked: bool) -> Iterator[Arriving]:
    mirror = runtime.current()
    order = Order(
        digest=digest,
        source=_UpstreamSource(repository, digest),
        size=catalog.promised_size(repository, digest),
        on_commit=lambda size, origin: _record(repository, digest, size, origin),
    )
    with mirror.coalescer.join(order) as fill:
        try:
            if not fill.wait_answered(_LONGEST_WAIT):
                raise SourceFailed(TIMED_OUT, "upstream did not answer in time")
        except SourceFailed as failure:
            raise from_source(failure, UNKNOWN) from failure
        if not linked and fill.origin != str(repository):
            _prove(repository, digest)
        yield Arriving(digest, fill.size if fill.size is not None else order.size, fill)


def _prove(repository: Repository, digest: Digest) -> int | None:
    """Have upstream vouch that the repository contains the blob; returns its size if told."""
    mirror = runtime.current()

    def ask() -> int | None:
        size = mirror.upstream.head_blob(repository.name, digest)
        catalog.link_blob(repository, digest, mirror.now())
        return size

    try:
        return mirror.flights.share(("blob", repository, digest), ask)
    except errors.UpstreamError as error:
        raise from_upstream(error, UNKNOWN) from error


def _record(repository: Repository, digest: Digest, size: int, origin: str | None) -> None:
    proved = repository if origin == str(repository) else None
    catalog.record_fill(digest, size, proved, runtime.current().now())


@dataclass(frozen=True, slots=True)
class _UpstreamSource:
    """The upstream as a fill's source."""

    repository: Repository
    digest: Digest

    @property
    def origin(self) -> str:
        return str(self.repository)

    @contextmanager
    def open(self, offset: int) -> Iterator[SourceStream]:
        upstream = runtime.current().upstream
        try:
            with upstream.open_blob(self.repository.name, self.digest, offset) as stream:
                yield stream
        except errors.UpstreamError as error:
            raise _as_source_failure(error) from error


def _as_source_failure(error: errors.UpstreamError) -> SourceFailed:
    kind = RANGE_REJECTED if isinstance(error, errors.RangeRejected) else kind_of(error)
    # A quota that is spent now will be spent in a second: asking again makes it worse.
    retryable = error.retryable and kind != RATE_LIMITED
    return SourceFailed(kind, str(error), retryable=retryable, retry_after=retry_after_of(error))
