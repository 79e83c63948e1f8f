"""Where the space is: bytes by repository, by upstream or by age; shared ones are counted once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from operator import itemgetter
from typing import Literal

from django.db.models import F, Max

from cache import models
from cache.catalog.pulls import chunks

By = Literal["repository", "upstream", "age"]

_PAGE = 5000

#: The last pull was less than so long ago.
AGES = (
    ("less than a day", timedelta(days=1)),
    ("less than a week", timedelta(days=7)),
    ("less than 30 days", timedelta(days=30)),
    ("30 days or more", timedelta.max),
)

NOBODY = "(no repository)"


@dataclass(frozen=True, slots=True)
class Row:
    """The blobs of one name, and the bytes that are its own and that it shares with others."""

    name: str
    blobs: int
    own: int
    shared: int


@dataclass(frozen=True, slots=True)
class Usage:
    """All rows, the largest first, and the whole: ``shared`` bytes are in ``size`` once."""

    rows: tuple[Row, ...]
    blobs: int
    size: int
    shared: int


def usage(by: By, now: datetime, default_upstream: str) -> Usage:
    """What the records say of the store.

    A blob belongs to the repositories of the manifests that need it, or, where none does, to those
    that contain it. Raises ``django.db.Error``.
    """
    tallies: dict[str, list[int]] = {}
    blobs = size = shared = 0
    for found in _blobs():
        names = _names(found, by, now, default_upstream)
        blobs += 1
        size += found.size
        is_shared = len(names) > 1
        shared += found.size if is_shared else 0
        for name in names:
            tally = tallies.setdefault(name, [0, 0, 0])
            tally[0] += 1
            tally[1 + is_shared] += found.size
    rows = sorted((Row(name, *tally) for name, tally in tallies.items()), key=_largest)
    if by == "age":
        order = [name for name, _ in AGES]
        rows.sort(key=lambda row: order.index(row.name))
    return Usage(tuple(rows), blobs, size, shared)


@dataclass(frozen=True, slots=True)
class _Blob:
    size: int
    pulled_at: datetime
    repositories: frozenset[tuple[str, str]]


def _names(blob: _Blob, by: By, now: datetime, default_upstream: str) -> set[str]:
    if by == "age":
        age = now - blob.pulled_at
        return {next(name for name, limit in AGES if age < limit)}
    if not blob.repositories:
        return {NOBODY}
    if by == "upstream":
        return {upstream for upstream, _ in blob.repositories}
    return {
        name if upstream == default_upstream else f"{upstream}/{name}"
        for upstream, name in blob.repositories
    }


def _blobs() -> Iterator[_Blob]:
    """All blobs, read a page at a time."""
    repositories = {
        key: (upstream, name)
        for key, upstream, name in models.Repository.objects.values_list("pk", "upstream", "name")
    }
    last = ""
    while True:
        rows = models.Blob.objects.filter(digest__gt=last).order_by("digest")
        page = list(rows.values_list("digest", "size", "pulled_at")[:_PAGE])
        if not page:
            return
        last = page[-1][0]
        needed = _needed([digest for digest, _, _ in page])
        lone = _contained(digest for digest, _, _ in page if digest not in needed)
        for digest, size, pulled_at in page:
            latest, keys = needed.get(digest, (pulled_at, lone.get(digest, ())))
            yield _Blob(size, max(latest, pulled_at), frozenset(repositories[key] for key in keys))


def _needed(digests: list[str]) -> dict[str, tuple[datetime, tuple[int, ...]]]:
    """By digest, when an image that needs the blob was last pulled, and in which repositories."""
    found: dict[str, tuple[datetime, tuple[int, ...]]] = {}
    for chunk in chunks(digests, _PAGE):
        rows = (
            models.ManifestReference.objects.filter(
                digest__in=chunk, is_manifest=False, manifest__links__isnull=False
            )
            .values("digest", repository=F("manifest__links__repository_id"))
            .annotate(at=Max("manifest__links__pulled_at"))
            .order_by("digest")
            .values_list("digest", "repository", "at")
        )
        for digest, each in groupby(rows, itemgetter(0)):
            links = list(each)
            found[digest] = max(at for _, _, at in links), tuple(key for _, key, _ in links)
    return found


def _contained(digests: Iterable[str]) -> dict[str, tuple[int, ...]]:
    found: dict[str, tuple[int, ...]] = {}
    for chunk in chunks(digests, _PAGE):
        rows = models.BlobLink.objects.filter(digest__in=chunk).order_by("digest")
        for digest, each in groupby(rows.values_list("digest", "repository_id"), itemgetter(0)):
            found[digest] = tuple(key for _, key in each)
    return found


def _largest(row: Row) -> tuple[int, str]:
    return -(row.own + row.shared), row.name
