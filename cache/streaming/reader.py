"""A reader: one client's way through a fill."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Self

from cache.streaming.fill import Fill
from cache.streaming.past import Rest
from cache.streaming.source import STORE_FAILED, SourceFailed
from cache.streaming.span import Span

#: Bytes handed to the client's socket at a time: copied by us, and by the kernel alone.
CHUNK = 256 * 1024
SPAN = 1024 * 1024


class Reader:
    """Iterates over the bytes from ``start`` up to ``stop`` (exclusive; None: the blob's end).

    :meth:`spans` tells where they stand instead. Either way, the iteration raises
    :class:`~cache.streaming.source.SourceFailed` when the blob will not come, which must end the
    client's stream short. ``total`` is the blob's size in bytes that the client was told, if any.
    Close it when done: it is a user of the fill.
    """

    def __init__(
        self, fill: Fill, start: int = 0, stop: int | None = None, total: int | None = None
    ) -> None:
        self._fill = fill
        self._stop = stop
        self._cursor = fill.cursor(start, total)
        self._closed = False
        fill.enter()

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        span = self._next(CHUNK)
        if not span:
            raise StopIteration
        data = os.pread(span.fd, span.length, span.offset)
        if not data:
            raise SourceFailed(STORE_FAILED, "the file was cut while it was read")
        self._cursor.position += len(data)
        return data

    def spans(self) -> Iterator[Span]:
        """Where the bytes stand, each piece to be sent before the next one is asked for."""
        while span := self._next(SPAN):
            yield span
            self._cursor.position += span.length

    def _next(self, wanted: int) -> Span | None:
        position = self._cursor.position
        if self._stop is not None:
            wanted = min(wanted, self._stop - position)
        return None if wanted <= 0 or self._closed else self._fill.next_span(self._cursor, wanted)

    def rest(self) -> Rest:
        """What is still to come, for going past the store."""
        cursor = self._cursor
        return Rest(cursor.position, self._stop, cursor.total, self._fill.file_of(cursor))

    def close(self) -> None:
        """Leave the fill, which goes on without this reader."""
        if not self._closed:
            self._closed = True
            self._fill.leave()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
