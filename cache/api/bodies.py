"""Bodies of blobs: what cannot be completed never looks complete."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from typing import TypeAlias, TypeVar

from django.http import StreamingHttpResponse

from cache.api.headers import headed
from cache.oci.errors import RegistryError
from cache.pull import Body, Span

#: Is told how many bytes of its body an answer sent, once, when it is over.
OnEnd: TypeAlias = Callable[[int], None]

#: A part of a body, or where it stands.
Piece: TypeAlias = bytes | Span

_P = TypeVar("_P", bytes, Piece)


class BlobBody:
    """A body that, when it cannot be completed, breaks the connection off.

    Ending the iteration would tell the client that it has the whole. A reset connection is what
    the server takes for a client's end: it closes the socket and writes no traceback.

    ``length`` is how many bytes were announced, if that is known.
    """

    def __init__(self, body: Body, length: int | None, on_end: OnEnd) -> None:
        self._body = body
        self._length = length
        self._on_end: OnEnd | None = on_end
        self._sent = 0
        self._left: int | None = None

    def __iter__(self) -> Iterator[bytes]:
        return self._whole(iter(self._body))

    def pieces(self) -> Iterator[Piece]:
        """The bytes, or where they stand until the next piece is asked for."""
        return self._whole(self._body.pieces())

    def note_sent(self, count: int) -> None:
        """So many bytes have left: who went away took less than it was given."""
        self._left = count

    def _whole(self, pieces: Iterator[_P]) -> Iterator[_P]:
        try:
            for piece in pieces:
                self._sent += len(piece)
                yield piece
        except RegistryError as error:
            raise ConnectionResetError(errno.ECONNRESET, error.message) from error
        if self._length not in (None, self._sent):
            raise ConnectionResetError(errno.ECONNRESET, "the body is not as long as announced")

    def close(self) -> None:
        """The client is done, or gone."""
        self._body.close()
        on_end, self._on_end = self._on_end, None
        if on_end is not None:
            on_end(self._sent if self._left is None else self._left)


class BlobResponse(StreamingHttpResponse):
    """A blob, for a server that has the kernel send what stands in a file: see its ``body``.

    Any other may iterate over it.
    """

    def __init__(
        self, body: BlobBody, content_type: str, status: int, headers: dict[str, str]
    ) -> None:
        super().__init__(body, status=status)
        headed(self, {**headers, "Content-Type": content_type})
        self.body = body
