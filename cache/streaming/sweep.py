"""What killed processes left in the folders of parts and of locks: kept, resumed or swept away.

Nothing that a living process uses is touched: everything here is done under the part's own lock,
so the mirror may run, or several on one folder, while another one starts.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from cache.oci.digest import Digest
from cache.streaming import layout
from cache.streaming.flight import exclusive_file
from cache.streaming.part import Part, drafts_of, lock_part

log = logging.getLogger(__name__)

#: A part that nobody has continued for so long (seconds) is given up: pulls come back after a
#: weekend, or not at all.
KEPT = 3 * 24 * 3600.0


def sweep_parts(
    folder: Path, is_held: Callable[[Digest], bool], now: float, kept: float = KEPT
) -> int:
    """Remove what no later fill can use from a folder of parts; how many digests were freed.

    A part is kept for ``kept`` seconds after its last byte, so that its fill can be continued; not
    if it is empty, or its blob is held. What belongs to a part goes with it. ``now`` is in seconds
    since the epoch. Files of other names are left alone. Raises ``OSError``.
    """
    swept = 0
    for name in sorted({path.name.partition(".")[0] for path in folder.iterdir()}):
        digest = layout.flat_digest(name)
        if digest is None:
            continue
        part = lock_part(folder / f"{name}.part")
        if part is None:
            continue
        with closing(part):
            for draft in drafts_of(part.path):
                draft.unlink(missing_ok=True)
            if not part.size or is_held(digest) or _is_old(part, now, kept):
                part.remove()
                swept += 1
    if swept:
        log.info("Removed what %d fills had left that cannot be continued", swept)
    return swept


def sweep_locks(folder: Path) -> None:
    """Remove the lock files of processes that were killed. Raises ``OSError``."""
    for path in folder.glob("*.lock"):
        with exclusive_file(path, timeout=0.0):
            pass  # the file goes with the lock


def _is_old(part: Part, now: float, kept: float) -> bool:
    age = now - os.fstat(part.fd).st_mtime
    if age < 0:
        # It was written by a clock that has been set back since: its time begins today.
        os.utime(part.fd, (now, now))
    return age > kept
