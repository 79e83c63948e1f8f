"""Bodies of blobs: from a file, or from a fill; what cannot be completed never looks complete."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from typing import BinaryIO

from django.http import FileResponse

from cache.oci.errors import RegistryError
from cache.pull import Body

#: Bytes per step where a file cannot leave through sendfile (TLS).
_FILE_STEP = 256 * 1024


class _Slice:
    """The ``length`` bytes of a file from where it stands, for the server.

    The server's sendfile takes the descriptor and Content-Length. Over TLS it reads, and would
    read to the file's end for one byte of it.
    """

    def __init__(self, file: BinaryIO, length: int) -> None:
        self._file = file
        self._left = length

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

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class StoreFile(FileResponse):
    """A file from where it stands, for the server's sendfile: exactly Content-Length bytes."""

    block_size = _FILE_STEP

    def __init__(
        self, file: BinaryIO, content_type: str, status: int, headers: dict[str, str]
    ) -> None:
        length = int(headers["Content-Length"])
        self._file = file
        self._stop = file.tell() + length
        super().__init__(
            _Slice(file, length), content_type=content_type, status=status, headers=headers
        )

    def set_headers(self, filelike: object) -> None:
        """All headers are known already; Django's guesses from the file's name are not wanted."""

    def close(self) -> None:
        """The server is done, or the client gone; raises ``OSError`` if the file was cut meanwhile.

        sendfile says nothing of bytes that were not there, and the client would take the next
        answer on the connection for them: the error ends the connection.
        """
        is_cut = not self.closed and os.fstat(self._file.fileno()).st_size < self._stop
        super().close()
        if is_cut:
            raise OSError(errno.EIO, "the blob's file was cut while it was sent")


class Breakable:
    """A body that, when it cannot be completed, breaks the connection off.

    Ending the iteration would tell the client that it has the whole. A reset connection is what
    the server takes for a client's end: it closes the socket and writes no traceback.
    """

    def __init__(self, body: Body, length: int | None) -> None:
        self._body = body
        self._length = length

    def __iter__(self) -> Iterator[bytes]:
        sent = 0
        try:
            for chunk in self._body:
                sent += len(chunk)
                yield chunk
        except RegistryError as error:
            raise ConnectionResetError(errno.ECONNRESET, error.message) from error
        if self._length not in (None, sent):
            raise ConnectionResetError(errno.ECONNRESET, "the body is not as long as announced")

    def close(self) -> None:
        """The client is done, or gone."""
        self._body.close()
