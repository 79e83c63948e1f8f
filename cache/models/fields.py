"""Lengths of columns that several tables have."""

from __future__ import annotations

#: `sha512:` and 128 hex digits.
LONGEST_DIGEST = 135

#: RFC 6838 section 4.2 allows 127 characters on either side of the slash.
LONGEST_MEDIA_TYPE = 255
