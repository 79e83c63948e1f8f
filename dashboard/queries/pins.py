"""Pins: what is never evicted, who wanted that, and what of it one repository has."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from cache import models, retention, runtime
from cache.oci.selection import Selection

MOST = 500


@dataclass(frozen=True, slots=True)
class Kept:
    """A pin, or what the configuration keeps, which has no ``by`` and cannot be unpinned here."""

    selection: Selection
    by: str = ""
    at: datetime | None = None

    @property
    def text(self) -> str:
        return self.selection.text

    @property
    def is_configured(self) -> bool:
        """Whether it stands in the configuration."""
        return self.at is None


@dataclass(frozen=True, slots=True)
class State:
    """How one thing stands: ``own`` is the pin of exactly this, ``others`` keep it besides."""

    own: Kept | None
    others: tuple[Kept, ...]

    @property
    def is_kept(self) -> bool:
        """Whether it is never evicted."""
        return self.own is not None or bool(self.others)


def every() -> list[Kept]:
    """What the configuration keeps, and all pins."""
    configured = [Kept(selection) for selection in runtime.current().config.retention.keep]
    pinned = [
        Kept(each.selection, each.created_by, each.created_at) for each in retention.list_pins()
    ]
    return configured + pinned


def of_repository(row: models.Repository, kept: Iterable[Kept]) -> State:
    """Whether the whole repository is kept."""
    fitting = [
        each
        for each in kept
        if each.selection.is_whole and each.selection.fits_repository(row.upstream, row.name)
    ]
    return _state(fitting, text_of(row))


def of_tag(row: models.Repository, tag: str, digest: str, kept: Iterable[Kept]) -> State:
    """Whether what the tag points to is kept, by this tag or as part of more."""
    return _state(_fitting(row, (tag,), digest, kept), text_of(row, tag=tag))


def of_manifest(
    row: models.Repository, tags: Iterable[str], digest: str, kept: Iterable[Kept]
) -> State:
    """Whether a manifest of the repository is kept."""
    return _state(_fitting(row, tuple(tags), digest, kept), text_of(row, digest=digest))


def text_of(row: models.Repository, *, tag: str = "", digest: str = "") -> str:
    """The text of the selection of exactly this."""
    place = f"{row.upstream}/{row.name}"
    return f"{place}:{tag}" if tag else f"{place}@{digest}" if digest else place


def is_spoken_of(upstream: str, name: str, kept: Iterable[Kept]) -> bool:
    """Whether something of the repository is kept by its name."""
    return any(
        each.selection.repository is not None and each.selection.fits_repository(upstream, name)
        for each in kept
    )


def _fitting(
    row: models.Repository, tags: tuple[str, ...], digest: str, kept: Iterable[Kept]
) -> list[Kept]:
    return [
        each for each in kept if each.selection.fits_manifest(row.upstream, row.name, tags, digest)
    ]


def _state(fitting: list[Kept], text: str) -> State:
    own = next((each for each in fitting if each.text == text and not each.is_configured), None)
    return State(own, tuple(each for each in fitting if each is not own))
