"""The store: blobs by digest, each visible only when whole and verified.

:class:`Store` is all that the rest of the mirror may assume; :class:`FileStore` keeps the blobs
as files, in the layout ``blobs/<algorithm>/<first two hex digits>/<hex>``, and fills as
``parts/<algorithm>-<hex>.part``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

from cache.oci.digest import Digest
from cache.oci.errors import RegistryError
from cache.streaming.part import Part, PartInfo, info_path, is_at, lock_part, read_info


class Store(Protocol):
    """Content-addressed blobs. Every method may raise ``OSError`` when the disk fails."""

    def stat(self, digest: Digest) -> int | None:
        """The size in bytes of a held blob, None if it is not held."""

    def open(self, digest: Digest) -> BinaryIO | None:
        """A held blob, open at its start; the caller closes it. None if it is not held."""

    def begin(self, digest: Digest) -> Part | None:
        """Become the filler: the locked part, with what an earlier fill left in it.

        None if another filler, in whatever process, has it, or if the blob is held by now.
        """

    def follow(self, digest: Digest) -> int | None:
        """A file descriptor (the caller's to close) on the part as it stands, None without one."""

    def is_filling(self, digest: Digest, fd: int) -> bool:
        """Whether the part open as ``fd`` is still the one that is being filled."""

    def info(self, digest: Digest) -> PartInfo:
        """What the filler of a part published."""

    def commit(self, digest: Digest, part: Part) -> None:
        """Make a verified part the blob. The caller has checked the digest."""

    def delete(self, digest: Digest) -> bool:
        """Remove a blob; whether there was one."""

    def blobs(self) -> Iterator[tuple[Digest, int]]:
        """Every held blob with its size in bytes, in no order."""


class FileStore:
    """The store in a folder of the file system."""

    def __init__(self, root: Path) -> None:
        """Make the folders below ``root`` (readable by this user only); raises ``OSError``."""
        self.root = root
        self._blobs = root / "blobs"
        self._parts = root / "parts"
        for folder in (self._blobs, self._parts):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def stat(self, digest: Digest) -> int | None:
        """See :meth:`Store.stat`."""
        try:
            return self._blob_path(digest).stat().st_size
        except FileNotFoundError:
            return None

    def open(self, digest: Digest) -> BinaryIO | None:
        """See :meth:`Store.open`."""
        try:
            return self._blob_path(digest).open("rb", buffering=0)
        except FileNotFoundError:
            return None

    def begin(self, digest: Digest) -> Part | None:
        """See :meth:`Store.begin`."""
        part = lock_part(self._part_path(digest))
        if part is None or self.stat(digest) is None:
            return part
        # Committed just before we locked: the part at the path is a new one of our own making.
        part.remove()
        part.close()
        return None

    def follow(self, digest: Digest) -> int | None:
        """See :meth:`Store.follow`."""
        try:
            return os.open(self._part_path(digest), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None

    def is_filling(self, digest: Digest, fd: int) -> bool:
        """See :meth:`Store.is_filling`."""
        return is_at(self._part_path(digest), fd)

    def info(self, digest: Digest) -> PartInfo:
        """See :meth:`Store.info`."""
        return read_info(self._part_path(digest))

    def commit(self, digest: Digest, part: Part) -> None:
        """See :meth:`Store.commit`: on the disk first, then visible, in one rename."""
        target = self._blob_path(digest)
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.fdatasync(part.fd)
        part.path.replace(target)
        _sync_folder(target.parent)
        info_path(part.path).unlink(missing_ok=True)

    def delete(self, digest: Digest) -> bool:
        """See :meth:`Store.delete`. A reader that has the blob open keeps it."""
        try:
            self._blob_path(digest).unlink()
        except FileNotFoundError:
            return False
        return True

    def blobs(self) -> Iterator[tuple[Digest, int]]:
        """See :meth:`Store.blobs`. Files that are not named like blobs are passed over."""
        for path in self._blobs.glob("*/??/*"):
            try:
                digest = Digest.parse(f"{path.parent.parent.name}:{path.name}")
                size = path.stat().st_size
            except (RegistryError, FileNotFoundError):
                continue
            yield digest, size

    def _blob_path(self, digest: Digest) -> Path:
        return self._blobs / digest.algorithm / digest.hex[:2] / digest.hex

    def _part_path(self, digest: Digest) -> Path:
        return self._parts / f"{digest.algorithm}-{digest.hex}.part"


def _sync_folder(folder: Path) -> None:
    """Put the folder's entries on the disk, so that a power cut cannot undo a rename."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
