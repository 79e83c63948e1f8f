"""The doctor: what an operator would look at first, looked at in one go.

Nothing is changed, and no line shows a secret: passwords are not read, and what comes from outside
is translated before it gets here.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from cache import runtime
from cache.config import Config
from cache.doctor import records, service, storage, upstreams
from cache.doctor.line import Level, Line, ok, warning

__all__ = ["Level", "Line", "examine"]


def examine(config: Config) -> Iterator[Line]:
    """One line after the other, as each check ends."""
    yield from _configuration(config)
    yield from storage.look(config.storage.root, config.retention.min_free.of)
    # Without folders of its own there is no mirror yet, and none is begun here. In another user's
    # folder, whatever is opened might leave a file behind that is in the mirror's way.
    is_set_up = _is_ours(config.storage.root) and (config.storage.root / "blobs").is_dir()
    can_be_asked = yield from records.look(config)
    yield from upstreams.look(config, runtime.current().upstreams if is_set_up else None)
    yield from service.look(config, has_records=is_set_up and can_be_asked)


def _configuration(config: Config) -> Iterator[Line]:
    yield ok("configuration", f"it can be used; {len(config.upstreams)} upstreams")
    for sentence in config.warnings:
        yield warning("configuration", sentence, "remove the key, or see docs/configuration.md")


def _is_ours(folder: Path) -> bool:
    try:
        return folder.stat().st_uid == os.geteuid()
    except OSError:
        return False
