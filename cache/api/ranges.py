"""The Range header (RFC 9110 section 14): one range of bytes of a blob."""

from __future__ import annotations

import re
from dataclasses import dataclass

from cache.oci.errors import RegistryError

_RANGE = re.compile(
    r"bytes=[ \t]*([0-9]{0,19})[ \t]*-[ \t]*([0-9]{0,19})[ \t]*", re.IGNORECASE | re.ASCII
)

#: No range of two such numbers is longer, and blanks without end would cost the pattern dearly.
_LONGEST = 64


@dataclass(frozen=True, slots=True)
class ByteRange:
    """The bytes from ``start`` up to ``stop`` (exclusive)."""

    start: int
    stop: int


def parse_range(header: str | None, size: int) -> ByteRange | None:
    """The range asked for of ``size`` bytes; None when the whole is to be sent.

    A header that is not understood, or asks for several ranges, is ignored, as section 14.2
    allows. Raises :class:`RegistryError` RANGE_INVALID (416) for a range with no byte in it.
    """
    match = _RANGE.fullmatch(header) if header and len(header) <= _LONGEST else None
    if match is None or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    if not first:
        start, stop = max(0, size - int(last)), size
    else:
        start, stop = int(first), min(size, int(last) + 1) if last else size
        if last and int(last) < start:
            return None
    if start >= size or start >= stop:
        raise RegistryError(
            "RANGE_INVALID",
            f"the blob has {size} bytes, none of them in the range asked for",
            headers={"Content-Range": f"bytes */{size}"},
        )
    return ByteRange(start, stop)


def range_applies(if_range: str | None, etag: str) -> bool:
    """Whether Range counts under `If-Range` (section 13.1.5): only for this very content.

    A date never matches, since a blob has none.
    """
    return if_range is None or if_range.strip() == etag


def none_match(if_none_match: str | None, etag: str) -> bool:
    """Whether the client has this content already (section 13.1.2, weak comparison)."""
    if if_none_match is None:
        return False
    candidates = (item.strip().removeprefix("W/") for item in if_none_match.split(","))
    return any(item in ("*", etag) for item in candidates)
