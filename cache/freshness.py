"""Whether a tag's last known answer may still be given without asking upstream."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from cache.oci.pattern import Pattern
    from cache.oci.reference import Tag


class Freshness(Enum):
    """What is known of an answer's currency."""

    FRESH = "fresh"
    """Checked inside the window: trusted."""
    STALE = "stale"
    """Checked too long ago: revalidate; good enough only when upstream cannot answer."""
    UNKNOWN = "unknown"
    """Never checked."""


@dataclass(frozen=True, slots=True)
class Windows:
    """How long a tag's answer is trusted: by the first rule whose pattern fits, else `default`."""

    default: timedelta = timedelta(0)
    rules: tuple[tuple[Pattern, timedelta], ...] = ()

    def of(self, tag: Tag) -> timedelta:
        if not self.rules:
            return self.default
        return next((window for rule, window in self.rules if rule.fits(str(tag))), self.default)


def judge(checked_at: datetime | None, now: datetime, window: timedelta) -> Freshness:
    """Judge an answer that upstream gave or confirmed at `checked_at`.

    Both times are aware. `window` is how long an answer is trusted; none (or less) means that
    every pull asks upstream. A check that lies in the future proves that a clock was set back:
    how old the answer is cannot be known then, so it is stale.
    """
    if checked_at is None:
        return Freshness.UNKNOWN
    return Freshness.FRESH if timedelta(0) <= now - checked_at < window else Freshness.STALE


def age(checked_at: datetime, now: datetime) -> int:
    """Whole seconds since the check, for `Age` (RFC 9111 section 5.1); never negative."""
    return max(0, int((now - checked_at).total_seconds()))
