"""Letting another program on this machine read a blob's file: one of the owner's group may.

Blobs are readable by the mirror's user alone. What is handed over becomes readable by the group,
file by file, and the folders on the way can be passed through but not listed.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO


def let_group_read(file: BinaryIO, folders: Iterable[Path]) -> bool:
    """Let the group open ``file`` below ``folders``; whether it may.

    It may not if somebody else owns them. What is as it should be is only looked at.
    """
    try:
        for folder in folders:
            mode = stat.S_IMODE(folder.stat().st_mode)
            if not mode & stat.S_IXGRP:
                folder.chmod(mode | stat.S_IXGRP)
        mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        if not mode & stat.S_IRGRP:
            os.fchmod(file.fileno(), mode | stat.S_IRGRP)
    except OSError:
        return False
    return True
