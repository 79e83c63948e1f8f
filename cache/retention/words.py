"""How the mirror speaks to an operator of what it keeps: sizes, ages, names."""

from __future__ import annotations

from datetime import datetime, timedelta

from cache.retention.policy import Image

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
_DAY = 24 * 3600
_STEPS = ((_DAY, "day", "d"), (3600, "hour", "h"), (60, "minute", "min"), (1, "second", "s"))


def readable(size: float) -> str:
    """A number of bytes with a fitting unit."""
    for unit in _UNITS[:-1]:
        if abs(size) < 1024:
            return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} {_UNITS[-1]}"


def ago(then: datetime, now: datetime) -> str:
    """`9 days ago`."""
    seconds = int((now - then).total_seconds())
    for step, word, _ in _STEPS:
        if seconds >= step:
            count = seconds // step
            return f"{count} {word}{'s' * (count != 1)} ago"
    return "just now"


def short(duration: timedelta | None) -> str:
    """`7 d`; the unit is the largest that says it exactly."""
    if duration is None:
        return "for ever"
    seconds = int(duration.total_seconds())
    for step, _, letter in _STEPS:
        if seconds and seconds % step == 0:
            return f"{seconds // step} {letter}"
    return f"{duration.total_seconds():g} s"


def name_of(image: Image, default_upstream: str) -> str:
    """`library/node:20`, or with a digest for what has no tag; other upstreams stand in front."""
    path = image.name if image.upstream == default_upstream else f"{image.upstream}/{image.name}"
    if not image.tags:
        return f"{path}@{image.digest}"
    first, *others = sorted(image.tags)
    return f"{path}:{first}" + "".join(f", :{tag}" for tag in others)
