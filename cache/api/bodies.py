"""Bodies of blobs: from a file, or from a fill; what cannot be completed never looks complete."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from typing import BinaryIO, TypeAlias, TypeVar

from django.http import FileResponse, StreamingHttpResponse

from cache.api.headers import headed
from cache.oci.errors import RegistryError
from cache.pull import Body, Span

#: Is told how many bytes of its body an answer sent, once, when it is over.
OnEnd: TypeAlias = Callable[[int], None]

#: A part of a body, or where it stands.
Piece: TypeAlias = bytes | Span

_P = TypeVar("_P", bytes, Piece)

#: Bytes per step where a file cannot leave through sendfile (TLS).
_FILE_STEP = 256 * 1024


class _Slice:
    """The ``length`` bytes of a file from where it stands, for the server.

    The server's sendfile takes the descriptor and Content-Length. Over TLS it reads, and would
    read to the file's end for one byte of it.
    """

    def __init__(self, file: BinaryIO, length: int) -> None:
        self._file = file
        self._start = file.tell()
        self._length = self._left = length

    def fileno(self) -> int:
        """The descriptor, which stands at the first byte."""
        return self._file.fileno()

    def read(self, size: int) -> bytes:
        """The next bytes; raises ``OSError`` if the file ends before its time."""
        data = self._file.read(min(size, self._left))
        if not data and self._left:
            raise OSError(errno.EIO, "the blob's file was cut while it was sent")
        self._left -= len(data)
        return data

    def seek(self, position: int) -> None:
        """Go on from there: socket.sendfile tells how far it came, also of a client that left."""
        self._file.seek(position)
        self._left = self._length - (position - self._start)

    @property
    def sent(self) -> int:
        """How many bytes have left."""
        return self._length - self._left

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class StoreFile(FileResponse):
    """A file from where it stands, for the server's sendfile: exactly Content-Length bytes."""

    block_size = _FILE_STEP

    def __init__(
        self,
        file: BinaryIO,
        content_type: str,
        status: int,
        headers: dict[str, str],
        on_end: OnEnd,
    ) -> None:
        length = int(headers["Content-Length"])
        self._file = file
        self._stop = file.tell() + length
        self._slice = _Slice(file, length)
        self._on_end = on_end
        super().__init__(self._slice, status=status)
        headed(self, {**headers, "Content-Type": content_type})

    def set_headers(self, filelike: object) -> None:
        """All headers are known already; Django's guesses from the file's name are not wanted."""

    def close(self) -> None:
        """The server is done, or the client gone; raises ``OSError`` if the file was cut meanwhile.

        sendfile says nothing of bytes that were not there, and the client would take the next
        answer on the connection for them: the error ends the connection.
        """
        was_open = not self.closed
        is_cut = was_open and os.fstat(self._file.fileno()).st_size < self._stop
        super().close()
        if was_open:
            self._on_end(self._slice.sent)
        if is_cut:
            raise OSError(errno.EIO, "the blob's file was cut while it was sent")


class Breakable:
    """A body that, when it cannot be completed, breaks the connection off.

    Ending the iteration would tell the client that it has the whole. A reset connection is what
    the server takes for a client's end: it closes the socket and writes no traceback.
    """

    def __init__(self, body: Body, length: int | None, on_end: OnEnd) -> None:
        self._body = body
        self._length = length
        self._on_end: OnEnd | None = on_end
        self._sent = 0
        self.left: int | None = None
        """How many bytes the client's side has taken, for who knows: less, if it went away."""

    def __iter__(self) -> Iterator[bytes]:
        return self._whole(iter(self._body))

    def pieces(self) -> Iterator[Piece]:
        """The same bytes, where it can be as places in a file."""
        return self._whole(self._body.pieces())

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
            on_end(self._sent if self.left is None else self.left)


class ArrivingFile(StreamingHttpResponse):
    """A body that arrives, for a server that has the kernel send what stands in a file.

    Any other may iterate over it.
    """

    def __init__(
        self, body: Breakable, content_type: str, status: int, headers: dict[str, str]
    ) -> None:
        super().__init__(body, status=status)
        headed(self, {**headers, "Content-Type": content_type})
        self._body = body

    def pieces(self) -> Iterator[Piece]:
        """The bytes, or where they stand until the next piece is asked for."""
        return self._body.pieces()

    def note_sent(self, count: int) -> None:
        """So many bytes of the body have left."""
        self._body.left = count
