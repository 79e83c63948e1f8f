"""A held blob's file, as the store opens it."""

from __future__ import annotations

import io


class BlobFile(io.FileIO):
    """Open for reading, at its start; ``size`` is the blob's, in bytes, as it was found then.

    A blob's file is never written to: who needs the size need not ask for it again.
    """

    def __init__(self, fd: int, size: int) -> None:
        """``fd`` is closed with the file."""
        super().__init__(fd)
        self.size = size
