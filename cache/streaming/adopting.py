"""Taking in a blob that another program wrote: linked or copied, and visible only when verified.

The draft stands among the parts, under a name that no fill uses and that the sweeps know. No lock
is taken: a fill of the same blob that commits meanwhile brings the same bytes.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO

from cache.oci.digest import Digest

#: Bytes read at a time.
_STEP = 1024 * 1024

#: Another file system, one without hard links, too many of them, or another user's file.
_NO_LINK = frozenset(
    {errno.EXDEV, errno.EPERM, errno.EACCES, errno.EMLINK, errno.EOPNOTSUPP, errno.ENOENT}
)

Reading = Callable[[BinaryIO], Iterator[bytes]]


class Adopted(StrEnum):
    """What became of the file."""

    LINKED = "linked"
    COPIED = "copied"
    WRONG = "wrong"


def read_plainly(file: BinaryIO) -> Iterator[bytes]:
    """The file's bytes from where it stands."""
    while data := file.read(_STEP):
        yield data


def make_draft(
    draft: Path, source: BinaryIO, digest: Digest, *, link: bool, reading: Reading
) -> Adopted:
    """Make ``draft`` the same file as ``source``, or else a copy with its time of last writing.

    There is no draft if the bytes have another digest (WRONG). Raises ``OSError``.
    """
    draft.unlink(missing_ok=True)
    try:
        is_linked = link and _link(source, draft)
        if is_linked:
            is_right = _digest_of(reading(source), digest) == digest.hex
        else:
            is_right = _copy(source, draft, digest, reading) == digest.hex
        if is_right:
            return Adopted.LINKED if is_linked else Adopted.COPIED
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    draft.unlink()
    return Adopted.WRONG


def _link(source: BinaryIO, draft: Path) -> bool:
    """Give the very file that is open a second name, whatever stands at its first one by now."""
    folder = os.open(draft.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        # Only with a folder's descriptor does Python call linkat(2), which can follow the link
        # that /proc has for an open file.
        os.link(
            f"/proc/self/fd/{source.fileno()}",
            draft.name,
            dst_dir_fd=folder,
            follow_symlinks=True,
        )
    except OSError as error:
        if error.errno not in _NO_LINK:
            raise
        return False
    finally:
        os.close(folder)
    return True


def _digest_of(pieces: Iterator[bytes], digest: Digest) -> str:
    hasher = digest.hasher()
    for data in pieces:
        hasher.update(data)
    return hasher.hexdigest()


def _copy(source: BinaryIO, draft: Path, digest: Digest, reading: Reading) -> str:
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb", buffering=0) as target:

        def written() -> Iterator[bytes]:
            for data in reading(source):
                view = memoryview(data)
                while view:
                    view = view[target.write(view) :]
                yield data

        found = _digest_of(written(), digest)
        written_at = os.fstat(source.fileno()).st_mtime_ns
        os.utime(fd, ns=(written_at, written_at))
    return found
