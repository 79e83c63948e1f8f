"""What pulls leave behind, kept in memory and written in batches: a warm pull writes nothing."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import datetime

from cache.oci.reference import Tag
from cache.oci.repository import Repository


class Traffic:
    """What this process's pulls have yet to tell the database. Thread-safe.

    It is bounded by what is in the database already: only tags that are known are confirmed.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._confirmed: dict[tuple[Repository, Tag], datetime] = {}

    def confirm_tag(self, repository: Repository, tag: Tag, at: datetime) -> None:
        """Upstream said at that moment that the tag points to where it did."""
        with self._lock:
            self._confirmed[repository, tag] = at

    def take_confirmed(self) -> Mapping[tuple[Repository, Tag], datetime]:
        """The tags confirmed since this was last called, with the latest moment."""
        with self._lock:
            taken, self._confirmed = self._confirmed, {}
            return taken
