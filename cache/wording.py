"""Numbers as people read them: binary sizes, rates, durations, counts."""

from __future__ import annotations

#: In place of a value that there is not.
NOTHING = "\u2013"

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


def size(value: float) -> str:
    """Bytes with a binary unit and about three digits: `0 B`, `1.5 KiB`, `640 MiB`."""
    unit = 0
    while abs(value) >= 1000 and unit < len(_UNITS) - 1:
        value /= 1024
        unit += 1
    return f"{_digits(value)} {_UNITS[unit]}"


def rate(value: float) -> str:
    """Bytes per second."""
    return f"{size(value)}/s"


def count(value: float) -> str:
    """A number of things, with thin groups: `12 345`."""
    return _digits(value) if 0 < value < 10 else f"{round(value):,}".replace(",", "\u202f")


def percent(part: float | None) -> str:
    """A part of one; a dash if there is none."""
    if part is None:
        return NOTHING
    # What is not quite all must not read as all.
    shown = min(part * 100, 99.9) if part < 1 else 100.0
    return f"{_digits(shown)} %"


def duration(seconds: float) -> str:
    """The two largest units: `3 d 4 h`, `2 min 5 s`, `140 ms`."""
    if seconds < 1:
        return f"{round(seconds * 1000)} ms"
    parts: list[str] = []
    left = round(seconds)
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        amount, left = divmod(left, length)
        if amount or parts:
            parts.append(f"{amount} {unit}" if amount else "")
        if len(parts) == 2:
            break
    return " ".join(part for part in parts if part)


def _digits(value: float) -> str:
    rounded = f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}"
    return rounded.removesuffix(".0")
