"""What pulls leave behind, kept in memory and written in batches: a warm pull writes nothing."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from cache.oci.digest import Digest
from cache.oci.reference import Tag
from cache.oci.repository import Repository


@dataclass(frozen=True, slots=True)
class Confirmation:
    """Upstream said at ``at`` that a tag points to ``digest``, as it did before."""

    digest: Digest
    at: datetime


class Traffic:
    """What this process's pulls have yet to tell the database. Thread-safe.

    It is bounded by what is in the database already: tags and access tokens that are known there.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._confirmed: dict[tuple[Repository, Tag], Confirmation] = {}
        self._used: dict[int, datetime] = {}

    def confirm_tag(self, repository: Repository, tag: Tag, confirmation: Confirmation) -> None:
        """Upstream said that the tag points to where it did."""
        with self._lock:
            self._confirmed[repository, tag] = confirmation

    def checked_at(self, repository: Repository, tag: Tag, digest: Digest) -> datetime | None:
        """When upstream last confirmed that target, if the database has not been told yet."""
        with self._lock:
            confirmation = self._confirmed.get((repository, tag))
        if confirmation is None or confirmation.digest != digest:
            return None
        return confirmation.at

    def take_confirmed(self) -> Mapping[tuple[Repository, Tag], Confirmation]:
        """The tags confirmed since this was last called, with the latest moment."""
        with self._lock:
            taken, self._confirmed = self._confirmed, {}
            return taken

    def use_token(self, token: int, at: datetime) -> None:
        """A client came with this access token (its primary key)."""
        with self._lock:
            self._used[token] = at

    def take_used(self) -> Mapping[int, datetime]:
        """The access tokens used since this was last called, with the latest moment."""
        with self._lock:
            taken, self._used = self._used, {}
            return taken
