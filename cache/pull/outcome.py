"""How an answer came about, as `X-Cache` says it."""

from __future__ import annotations

from enum import StrEnum


class Outcome(StrEnum):
    """HIT: from here alone. REVALIDATED: from here, upstream says that it is still so.

    MISS: fetched from upstream. STALE: the last known answer, since upstream cannot be asked.
    """

    HIT = "HIT"
    MISS = "MISS"
    STALE = "STALE"
    REVALIDATED = "REVALIDATED"
