"""What goes, and why: decided from plain values alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import TypeAlias

from cache.config import Config, Reserve
from cache.oci.selection import Selection

#: What was pulled with an image was pulled within so long after it. What is younger was pulled for
#: itself, and does not go with the image.
ALONG = timedelta(hours=1)


NOTHING = Reserve()


class Reason(StrEnum):
    """Why something goes; the values are those of the records."""

    EXPIRED = "expired"
    MAX_SIZE = "max_size"
    MIN_FREE = "min_free"
    PURGED = "purged"


@dataclass(frozen=True, slots=True)
class Image:
    """A manifest of a repository, with the tags that point to it there."""

    link: int
    manifest: int
    repository: int
    upstream: str
    name: str
    digest: str
    pulled_at: datetime
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LoneBlob:
    """A blob that no manifest needs; ``repositories`` (upstream, name) contain it."""

    digest: str
    size: int
    pulled_at: datetime
    repositories: tuple[tuple[str, str], ...] = ()


#: What an image or a blob is known by from one day to the next: upstream, repository, digest. A
#: blob of its own has no repository.
Key: TypeAlias = tuple[str, str, str]


def key_of(subject: Image | LoneBlob) -> Key:
    """The key of it."""
    if isinstance(subject, Image):
        return subject.upstream, subject.name, subject.digest
    return "", "", subject.digest


@dataclass(frozen=True, slots=True)
class Policy:
    """What the operator wants. Sizes in bytes; no ttl is for ever.

    ``ttls`` are by upstream, ``default_ttl`` is for content of one that is not configured any more.
    """

    keep: tuple[Selection, ...] = ()
    ttls: Mapping[str, timedelta | None] = field(default_factory=lambda: MappingProxyType({}))
    default_ttl: timedelta | None = None
    max_size: int | None = None
    min_free: Reserve = NOTHING

    def ttl_of(self, upstream: str) -> timedelta | None:
        """How long content of this upstream is kept after its last pull."""
        return self.ttls.get(upstream, self.default_ttl)

    def cutoffs(self, now: datetime) -> tuple[dict[str, datetime | None], datetime | None]:
        """By upstream, and for all others: what was last pulled then, or before, has expired."""
        by_upstream = {name: _before(now, ttl) for name, ttl in self.ttls.items()}
        return by_upstream, _before(now, self.default_ttl)

    def keeps_image(self, image: Image) -> bool:
        """Whether it is never evicted."""
        return any(
            each.fits_manifest(image.upstream, image.name, image.tags, image.digest)
            for each in self.keep
        )

    def keeps_blob(self, digest: str, repositories: Iterable[tuple[str, str]] = ()) -> bool:
        """Whether it is never evicted, whatever needs it."""
        known = tuple(repositories)
        return any(each.fits_blob(known, digest) for each in self.keep)

    def has_expired(self, upstream: str, pulled_at: datetime, now: datetime) -> bool:
        """Whether it is longer since its last pull than the operator wants it kept."""
        ttl = self.ttl_of(upstream)
        return ttl is not None and now - pulled_at >= ttl

    def has_blob_expired(self, blob: LoneBlob, now: datetime) -> bool:
        """The same for a blob, which the repository with the longest ttl keeps."""
        upstreams = {upstream for upstream, _ in blob.repositories} or {""}
        return all(self.has_expired(upstream, blob.pulled_at, now) for upstream in upstreams)


def policy_of(config: Config, pins: Iterable[Selection]) -> Policy:
    """The configuration's policy, and the pins."""
    wanted = config.retention
    return Policy(
        keep=(*wanted.keep, *pins),
        ttls=MappingProxyType({proxy.name: proxy.ttl for proxy in config.upstreams}),
        default_ttl=config.proxy.ttl,
        max_size=wanted.max_size,
        min_free=wanted.min_free,
    )


def goes_along(pulled_at: datetime, image: Image) -> bool:
    """Whether what was pulled then belongs to the image, and goes with it."""
    return pulled_at <= image.pulled_at + ALONG


def _before(now: datetime, ttl: timedelta | None) -> datetime | None:
    if ttl is None:
        return None
    try:
        return now - ttl
    except OverflowError:
        # Nothing is older than the calendar.
        return None
