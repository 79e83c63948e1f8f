"""Digests: the names of content (OCI Image Specification, descriptor.md, "Digests")."""

from __future__ import annotations

import functools
import hashlib
import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from cache.oci.errors import RegistryError, quote

if TYPE_CHECKING:
    from collections.abc import Mapping
    from hashlib import _Hash

HEX_LENGTHS: Mapping[str, int] = MappingProxyType({"sha256": 64, "sha512": 128})
"""The registered algorithms that every client can verify, and how many hex digits each has."""

_HEX = re.compile(r"[0-9a-f]+")


@dataclass(frozen=True, slots=True)
class Digest:
    """The algorithm and the lower-case hex digits. Text from outside comes in through `parse`."""

    algorithm: str
    hex: str

    @staticmethod
    def parse(text: str) -> Digest:
        """Read `algorithm:hex`. Raises RegistryError DIGEST_INVALID."""
        return _parse(text)

    @classmethod
    def of(cls, data: bytes, algorithm: str = "sha256") -> Digest:
        """The digest of `data`; `algorithm` is a key of `HEX_LENGTHS`."""
        return cls(algorithm, hashlib.new(algorithm, data).hexdigest())

    def hasher(self) -> _Hash:
        """A new, empty hash of this digest's algorithm: feed it, then compare `hexdigest()`."""
        return hashlib.new(self.algorithm)

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.hex}"


#: What is pulled much is asked for by the same few words; they are kept as what they mean.
_DIGESTS_KEPT = 4096


@functools.lru_cache(_DIGESTS_KEPT)
def _parse(text: str) -> Digest:
    algorithm, _, digits = text.partition(":")
    length = HEX_LENGTHS.get(algorithm)
    if length is None or len(digits) != length or not _HEX.fullmatch(digits):
        allowed = " or ".join(
            f"{name}: and {count} lower-case hex digits" for name, count in HEX_LENGTHS.items()
        )
        message = f"{quote(text)} is not a digest: allowed is {allowed}"
        raise RegistryError("DIGEST_INVALID", message)
    return Digest(algorithm, digits)
