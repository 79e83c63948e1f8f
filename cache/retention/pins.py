"""Pins: what an operator wants never to be evicted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cache import models
from cache.oci.selection import Selection


@dataclass(frozen=True, slots=True)
class Pinned:
    """A pin, by whom and since when."""

    selection: Selection
    created_by: str
    created_at: datetime


def list_pins() -> list[Pinned]:
    """All pins, in the order of their text."""
    rows = models.Pin.objects.order_by("selection")
    return [Pinned(Selection.parse(row.selection), row.created_by, row.created_at) for row in rows]


def pin(selection: Selection, by: str, now: datetime) -> bool:
    """Have what is selected never be evicted; False if that pin is there already."""
    _, is_new = models.Pin.objects.get_or_create(
        selection=selection.text, defaults={"created_by": by, "created_at": now}
    )
    return is_new


def unpin(selection: Selection) -> bool:
    """Remove a pin, by the very text with which it was made; False if there is none."""
    count, _ = models.Pin.objects.filter(selection=selection.text).delete()
    return bool(count)
