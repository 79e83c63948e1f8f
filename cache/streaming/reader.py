"""A reader: one client's way through a fill."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Self

from cache.streaming.fill import Fill
from cache.streaming.past import Rest

#: Bytes handed to the client's socket at a time.
CHUNK = 256 * 1024


class Reader:
    """Iterates over the bytes from ``start`` up to ``stop`` (exclusive; None: the blob's end).

    The iteration raises :class:`~cache.streaming.source.SourceFailed` when the blob will not
    come, which must end the client's stream short. ``total`` is the blob's size in bytes that the
    client was told, if any. Close it when done: it is a user of the fill.
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
        wanted = CHUNK
        if self._stop is not None:
            wanted = min(wanted, self._stop - self._cursor.position)
        data = b"" if wanted <= 0 or self._closed else self._fill.read(self._cursor, wanted)
        if not data:
            raise StopIteration
        return data

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
