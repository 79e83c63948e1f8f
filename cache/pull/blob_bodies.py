"""The bytes of a blob for one client: of a file in the store, or of a fill."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from typing import Protocol, TypeVar

from cache.pull.blobs import UNKNOWN, Arriving, Held, failure_of
from cache.pull.refusals import from_source
from cache.streaming.blob_file import BlobFile
from cache.streaming.order import Order
from cache.streaming.past import read_past
from cache.streaming.reader import CHUNK, Reader
from cache.streaming.source import STORE_FAILED, SourceFailed
from cache.streaming.span import Span

_P = TypeVar("_P")

#: A client's headers wait so long (seconds) for its first byte, since until then a failure can
#: still be told. containerd gives up on headers after 30.
_FIRST_BYTE = 15.0


class Body(Protocol):
    """Bytes to be read once, in either way. Close it when done, also before the end.

    Both ways raise :class:`~cache.oci.errors.RegistryError` or ``OSError`` when the rest will not
    come: they must not end as if all were there.
    """

    def __iter__(self) -> Iterator[bytes]: ...

    def pieces(self) -> Iterator[bytes | Span]:
        """The same bytes, where it can be as places in a file that the kernel may send from."""

    def close(self) -> None:
        """Give back what it is read from."""


def read_blob(blob: Held | Arriving, start: int, stop: int | None) -> Body:
    """The bytes from ``start`` to ``stop`` (exclusive; None: the end), once the first can be had.

    Raises :class:`~cache.oci.errors.RegistryError` when a fill fails before that. A held blob's
    file belongs to the body from now on.
    """
    if isinstance(blob, Held):
        return _HeldBody(blob.file, start, blob.size if stop is None else stop)
    try:
        blob.fill.wait_readable(start, _FIRST_BYTE)
    except SourceFailed as failure:
        if failure.kind != STORE_FAILED:
            raise from_source(failure_of(blob, failure), UNKNOWN) from failure
    return _ArrivingBody(Reader(blob.fill, start, stop, blob.size), blob.order)


class _HeldBody:
    def __init__(self, file: BlobFile, start: int, stop: int) -> None:
        self._file = file
        self._start = start
        self._stop = stop

    def __iter__(self) -> Iterator[bytes]:
        fd, position = self._file.fileno(), self._start
        while position < self._stop:
            data = os.pread(fd, min(CHUNK, self._stop - position), position)
            if not data:
                raise OSError(errno.EIO, "the blob's file was cut while it was sent")
            yield data
            position += len(data)

    def pieces(self) -> Iterator[Span]:
        if self._start < self._stop:
            yield Span(self._file.fileno(), self._start, self._stop - self._start)

    def close(self) -> None:
        self._file.close()


class _ArrivingBody:
    def __init__(self, reader: Reader, order: Order) -> None:
        self._reader = reader
        self._order = order

    def __iter__(self) -> Iterator[bytes]:
        return self._or_past_the_store(self._reader)

    def pieces(self) -> Iterator[bytes | Span]:
        return self._or_past_the_store(self._reader.spans())

    def _or_past_the_store(self, arriving: Iterator[_P]) -> Iterator[_P | bytes]:
        try:
            try:
                yield from arriving
            except SourceFailed as failure:
                if failure.kind != STORE_FAILED:
                    raise
                yield from read_past(self._order, self._reader.rest())
        except SourceFailed as failure:
            raise from_source(failure, UNKNOWN) from failure

    def close(self) -> None:
        """Leave the fill, which goes on."""
        self._reader.close()
