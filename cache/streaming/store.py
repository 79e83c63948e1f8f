"""The store: blobs by digest, each visible only when whole and verified.

:class:`Store` is all that the rest of the mirror may assume; :class:`FileStore` keeps the blobs
as files, in the layout ``blobs/<algorithm>/<first two hex digits>/<hex>``, fills as
``parts/<algorithm>-<hex>.part``, and what was found wrong as ``quarantine/<algorithm>-<hex>.<n>``.
"""

from __future__ import annotations

import errno
import logging
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

from cache.oci.digest import Digest
from cache.streaming import layout
from cache.streaming.adopting import Adopted, Reading, make_draft, read_plainly
from cache.streaming.blob_file import BlobFile
from cache.streaming.handing_over import let_group_read
from cache.streaming.layout import Stray
from cache.streaming.part import Part, PartInfo, info_path, lock_part, read_info
from cache.streaming.quarantine import Bounds, keep_within, move_aside
from cache.streaming.reading import is_at, is_named, is_read, mark_read, remove_unread
from cache.streaming.room import Room, Space, space_of
from cache.streaming.sweep import KEPT, sweep_parts

log = logging.getLogger(__name__)

#: Neither follow a link out of the store nor wait for a pipe's other end.
_READ_PLAIN_FILE = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK

#: As much as a file system hands out at once: less may fit into what is left of a full one.
_TRIAL = bytes(4096)

#: A blob that is another file so often by the time it is marked never stays the same: some file
#: systems number files anew at each look.
_OPENINGS = 100

#: What opening gives where no plain file stands: a symbolic link, a socket.
_NO_PLAIN_FILE = frozenset({errno.ELOOP, errno.ENXIO})


class Store(Protocol):
    """Content-addressed blobs. Every method may raise ``OSError`` when the disk fails."""

    def stat(self, digest: Digest) -> int | None:
        """The size in bytes of a held blob, None if it is not held."""

    def open(self, digest: Digest) -> BlobFile | None:
        """A held blob, open at its start; the caller closes it. None if it is not held.

        What stands in a blob's place and is none at all is put in quarantine on the way.
        """

    def hand_over(self, digest: Digest, opened: BinaryIO) -> str | None:
        """Let programs of this user's group read a held blob, which the caller has ``opened``.

        Returns where its file stands, below the folder of all blobs: it can be gone any moment.
        None if there is no such file.
        """

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

    def adopt(
        self,
        digest: Digest,
        source: BinaryIO,
        *,
        link: bool,
        reading: Reading = read_plainly,
    ) -> Adopted:
        """Take in a file that another program wrote, if its bytes, read anew, have the digest.

        With ``link`` the store shares the file where it can, otherwise it keeps a copy.
        """

    def make_room(self, wanted: int) -> bool:
        """Whether ``wanted`` bytes may be written; what can be removed for them is, first."""

    def space(self) -> Space:
        """How large the store's disk is, and how much of it is free."""

    def filling(self) -> set[Digest]:
        """What is being filled now, in whatever process."""

    def is_read(self, digest: Digest) -> bool:
        """Whether somebody has a held blob open now, in whatever process."""

    def remove_unread(self, digest: Digest) -> bool:
        """Remove a blob unless somebody has it open; whether it is not held (any more)."""

    def delete(self, digest: Digest) -> bool:
        """Remove a blob, whoever has it open; whether there was one."""

    def quarantine(self, digest: Digest, opened: BinaryIO | None = None) -> bool:
        """Put a blob aside, so that it is no longer held; whether there was one.

        With ``opened`` only if it is that very file still: another one may be right. The
        quarantine is bounded, the oldest in it go first.
        """

    def blobs(self, after: Digest | None = None) -> Iterator[tuple[Digest, int]]:
        """Every held blob with its size in bytes, in the order of the digests' text.

        Only those after ``after``, if given. What comes and goes meanwhile may be left out.
        """

    def check_writable(self) -> None:
        """Return if a new blob could be kept now; raises ``OSError`` with the reason if not."""

    def strays(self, before: float) -> Iterator[Stray]:
        """What is in the store and belongs to nothing there.

        Of fills that broke off, only what was not touched since ``before`` (seconds since the
        epoch): what is younger saves the next fill its first bytes.
        """

    def clear(self, stray: Stray) -> bool:
        """Put a stranger in quarantine, remove a leftover; whether it was there still."""

    def sweep(self, now: float, kept: float = KEPT) -> int:
        """Remove what fills left that is ``kept`` seconds old, or of no use; how many fills'.

        ``now`` is in seconds since the epoch.
        """


class FileStore:
    """The store in a folder of the file system."""

    def __init__(self, root: Path, bounds: Bounds | None = None, room: Room | None = None) -> None:
        """Make the folders below ``root`` (readable by this user only); raises ``OSError``.

        ``bounds`` are the quarantine's; without ``room`` the disk may be filled.
        """
        self.root = root
        self._room = room or Room(root)
        self._blobs = root / "blobs"
        self._parts = root / "parts"
        self._quarantine = root / "quarantine"
        self._bounds = bounds or Bounds()
        for folder in (self._blobs, self._parts):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def stat(self, digest: Digest) -> int | None:
        """See :meth:`Store.stat`."""
        return layout.plain_size(self._blob_path(digest))

    def open(self, digest: Digest) -> BlobFile | None:
        """See :meth:`Store.open`."""
        path = self._blob_name(digest)
        for _ in range(_OPENINGS):
            try:
                fd = os.open(path, _READ_PLAIN_FILE)
            except FileNotFoundError:
                return None
            except OSError as error:
                if error.errno not in _NO_PLAIN_FILE:
                    raise
                break
            try:
                mark_read(fd)
                found = os.fstat(fd)
                is_plain = stat.S_ISREG(found.st_mode)
                if is_plain and is_named(path, found):
                    return BlobFile(fd, found.st_size)
            except BaseException:
                os.close(fd)
                raise
            os.close(fd)
            if not is_plain:
                break
            # Removed before it was marked, or replaced by what a new fill has brought.
        else:
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE), path)
        if self.quarantine(digest):
            log.error("What stood in the place of %s is no file: it is in quarantine", digest)
        return None

    def hand_over(self, digest: Digest, opened: BinaryIO) -> str | None:
        """See :meth:`Store.hand_over`. None also where the files are another user's."""
        path = self._blob_path(digest)
        below = path.relative_to(self._blobs)
        way = (self.root, self._blobs, *(self._blobs / each for each in below.parents[:-1]))
        return str(below) if let_group_read(opened, way) else None

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
        # While the lock is ours: after the rename, the facts may be those of a new fill.
        info_path(part.path).unlink(missing_ok=True)
        part.become_blob(target)
        _sync_folder(target.parent)

    def adopt(
        self,
        digest: Digest,
        source: BinaryIO,
        *,
        link: bool,
        reading: Reading = read_plainly,
    ) -> Adopted:
        """See :meth:`Store.adopt`. Safe beside fills of the same blob; one adoption at a time."""
        draft = self._parts / f"{_flat(digest)}.adopted.part.new"
        adopted = make_draft(draft, source, digest, link=link, reading=reading)
        if adopted is Adopted.WRONG:
            return adopted
        try:
            _sync_file(draft)
            target = self._blob_path(digest)
            target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            draft.replace(target)
        finally:
            # Renaming one name of a file to another of its names leaves both (rename(2)).
            draft.unlink(missing_ok=True)
        _sync_folder(target.parent)
        return adopted

    def make_room(self, wanted: int) -> bool:
        """See :meth:`Store.make_room`."""
        return self._room.make(wanted)

    def space(self) -> Space:
        """See :meth:`Store.space`."""
        return space_of(self.root)

    def filling(self) -> set[Digest]:
        """See :meth:`Store.filling`."""
        return layout.list_filling(self._parts)

    def is_read(self, digest: Digest) -> bool:
        """See :meth:`Store.is_read`."""
        return is_read(self._blob_path(digest))

    def remove_unread(self, digest: Digest) -> bool:
        """See :meth:`Store.remove_unread`."""
        return remove_unread(self._blob_path(digest))

    def delete(self, digest: Digest) -> bool:
        """See :meth:`Store.delete`. A reader that has the blob open keeps it."""
        try:
            self._blob_path(digest).unlink()
        except FileNotFoundError:
            return False
        return True

    def quarantine(self, digest: Digest, opened: BinaryIO | None = None) -> bool:
        """See :meth:`Store.quarantine`. A reader that has the blob open keeps it."""
        path = self._blob_path(digest)
        if opened is not None and not is_at(path, opened.fileno()):
            return False
        aside = move_aside(path, self._quarantine, _flat(digest))
        if aside is None:
            return False
        if opened is not None and not is_at(aside, opened.fileno()):
            # Somebody else was quicker, and a new fill too: back with what it has brought.
            aside.replace(path)
            return False
        keep_within(self._bounds, self._quarantine)
        return True

    def blobs(self, after: Digest | None = None) -> Iterator[tuple[Digest, int]]:
        """See :meth:`Store.blobs`. Files that are not named like blobs are passed over."""
        return layout.list_blobs(self._blobs, after)

    def check_writable(self) -> None:
        """See :meth:`Store.check_writable`. Writes a few bytes that no other process ever sees."""
        for folder in (self._parts, self._blobs):
            with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
                file.write(_TRIAL)

    def strays(self, before: float) -> Iterator[Stray]:
        """See :meth:`Store.strays`."""
        for path in layout.list_strangers(self._blobs):
            yield Stray("stranger", str(path.relative_to(self.root)))
        for path in layout.list_leftovers(self._parts, before):
            yield Stray("leftover", str(path.relative_to(self.root)))

    def clear(self, stray: Stray) -> bool:
        """See :meth:`Store.clear`."""
        path = self.root / stray.name
        if stray.kind == "leftover":
            return layout.remove_leftover(path)
        moved = move_aside(path, self._quarantine, "stranger") is not None
        keep_within(self._bounds, self._quarantine)
        return moved

    def sweep(self, now: float, kept: float = KEPT) -> int:
        """See :meth:`Store.sweep`."""
        return sweep_parts(self._parts, lambda digest: self.stat(digest) is not None, now, kept)

    def _blob_path(self, digest: Digest) -> Path:
        return Path(self._blob_name(digest))

    def _blob_name(self, digest: Digest) -> str:
        # At every pull: pathlib's way to it takes longer than opening it.
        return f"{self._blobs}/{digest.algorithm}/{digest.hex[:2]}/{digest.hex}"

    def _part_path(self, digest: Digest) -> Path:
        return self._parts / f"{_flat(digest)}.part"


def _flat(digest: Digest) -> str:
    """The digest as one file name: a colon is none on every file system."""
    return f"{digest.algorithm}-{digest.hex}"


def _sync_file(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fdatasync(fd)
    finally:
        os.close(fd)


def _sync_folder(folder: Path) -> None:
    """Put the folder's entries on the disk, so that a power cut cannot undo a rename."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
