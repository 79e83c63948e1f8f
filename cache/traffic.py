"""What pulls leave behind, kept in memory and written in batches: a warm pull writes nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from cache.oci.digest import Digest
from cache.oci.reference import Tag
from cache.oci.repository import Repository

#: So many manifests, and so many blobs, are remembered at most: what one process serves in the
#: seconds between two batches is far less, but the database may be away for long.
MOST_PULLS = 50_000

K = TypeVar("K")


@dataclass(frozen=True, slots=True)
class Confirmation:
    """Upstream said at ``at`` that a tag points to ``digest``, as it did before."""

    digest: Digest
    at: datetime


@dataclass(frozen=True, slots=True)
class Pulls:
    """When manifests of repositories, and blobs, were last pulled."""

    manifests: Mapping[tuple[Repository, Digest], datetime] = field(default_factory=dict)
    blobs: Mapping[Digest, datetime] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.manifests or self.blobs)


class Traffic:
    """What this process's pulls have yet to tell the database. Thread-safe.

    Confirmations and uses are bounded by what is in the database already: tags and access tokens
    that are known there. Pulls are bounded by ``most`` of either kind, the ones longest ago go
    first.
    """

    def __init__(self, most: int = MOST_PULLS) -> None:
        self._lock = threading.Lock()
        self._confirmed: dict[tuple[Repository, Tag], Confirmation] = {}
        self._used: dict[int, datetime] = {}
        self._most = most
        self._manifests: dict[tuple[Repository, Digest], datetime] = {}
        self._blobs: dict[Digest, datetime] = {}
        self.told_at = time.monotonic()
        """When the database was last told all there was (:func:`time.monotonic`)."""

    def waiting(self) -> dict[str, int]:
        """How many things of each kind have yet to be told."""
        with self._lock:
            return {
                "manifest_pulls": len(self._manifests),
                "blob_pulls": len(self._blobs),
                "confirmations": len(self._confirmed),
                "token_uses": len(self._used),
            }

    def note_manifest(self, repository: Repository, digest: Digest, at: datetime) -> None:
        """A client was given the manifest."""
        with self._lock:
            _note(self._manifests, (repository, digest), at, self._most)

    def note_blob(self, digest: Digest, at: datetime) -> None:
        """A client was given the blob, or a part of it."""
        with self._lock:
            _note(self._blobs, digest, at, self._most)

    def take_pulls(self) -> Pulls:
        """The pulls since this was last called."""
        with self._lock:
            taken = Pulls(self._manifests, self._blobs)
            self._manifests, self._blobs = {}, {}
            return taken

    def give_back(self, pulls: Pulls) -> None:
        """Have pulls for the next time that could not be written down."""
        with self._lock:
            # What came since is younger: it stays at the end, and its times are the later ones.
            self._manifests = _last({**pulls.manifests, **self._manifests}, self._most)
            self._blobs = _last({**pulls.blobs, **self._blobs}, self._most)

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


def _note(pulled: dict[K, datetime], key: K, at: datetime, most: int) -> None:
    pulled.pop(key, None)
    pulled[key] = at
    if len(pulled) > most:
        del pulled[next(iter(pulled))]


def _last(pulled: dict[K, datetime], most: int) -> dict[K, datetime]:
    surplus = len(pulled) - most
    return dict(list(pulled.items())[surplus:]) if surplus > 0 else pulled
