"""Descriptors: the pointers inside manifests (OCI Image Specification, descriptor.md).

Reading is strict about what the mirror acts on (digest, size) and takes absent properties as the
clients' own parsers do. What is wrong raises `BadManifest`.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, TypeAlias

from cache.oci.digest import HEX_LENGTHS, Digest
from cache.oci.errors import RegistryError, quote

LONGEST_TEXT = 255

# The OCI Image Specification's grammar, descriptor.md "Digests".
_DIGEST = re.compile(r"[a-z0-9]+(?:[+._-][a-z0-9]+)*:[a-zA-Z0-9=_-]+")
LARGEST_SIZE = 2**63 - 1
MOST_DESCRIPTORS = 10_000

JsonObject: TypeAlias = dict[str, Any]
Annotations: TypeAlias = tuple[tuple[str, str], ...]
"""Pairs in the manifest's order; `dict(annotations)` for look-ups."""


class BadManifest(ValueError):
    """Bytes from upstream that are not the manifest they should be; the text says why, bounded."""


class UnknownAlgorithm(BadManifest):
    """A digest by the grammar, of an algorithm that this mirror does not know."""


@dataclass(frozen=True, slots=True)
class Platform:
    """What an index's child runs on; `""` where the index does not say."""

    os: str
    architecture: str
    variant: str = ""


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A pointer to a blob or manifest. `size` is in bytes, None where the manifest names none."""

    media_type: str
    digest: Digest
    size: int | None
    artifact_type: str | None = None
    annotations: Annotations = ()
    platform: Platform | None = None


def parse_object(data: bytes) -> JsonObject:
    """Read a JSON object. Raises BadManifest.

    Refused besides broken JSON: what parsers disagree on (a key given twice, NaN, another
    encoding than UTF-8), numbers of thousands of digits, and nesting too deep to read.
    """
    try:
        document = json.loads(
            data.decode("utf-8"), object_pairs_hook=_distinct, parse_constant=_no_constant
        )
    except BadManifest:
        raise
    except (ValueError, RecursionError) as error:
        raise BadManifest(f"not readable as JSON: {type(error).__name__}") from error
    if not isinstance(document, dict):
        raise BadManifest("not a JSON object")
    return document


def _distinct(pairs: list[tuple[str, Any]]) -> JsonObject:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise BadManifest("a JSON key is given twice")
    return found


def _no_constant(name: str) -> None:
    raise BadManifest(f"{quote(name)} is not JSON")


def parse_descriptor(value: object) -> Descriptor:
    """Read one descriptor. Raises BadManifest."""
    if not isinstance(value, dict):
        raise BadManifest("a descriptor is not a JSON object")
    return Descriptor(
        media_type=parse_text(value, "mediaType"),
        digest=parse_digest(value.get("digest")),
        size=_parse_size(value.get("size")),
        artifact_type=parse_text(value, "artifactType") or None,
        annotations=parse_annotations(value),
        platform=_parse_platform(value.get("platform")),
    )


def parse_digest(value: object) -> Digest:
    """Read a digest inside a manifest. Raises BadManifest, UnknownAlgorithm if it may be right."""
    if not isinstance(value, str):
        raise BadManifest("a digest is missing or not text")
    try:
        return Digest.parse(value)
    except RegistryError as error:
        algorithm = value.partition(":")[0]
        if algorithm not in HEX_LENGTHS and _DIGEST.fullmatch(value[: LONGEST_TEXT + 1]):
            raise UnknownAlgorithm(error.message) from error
        raise BadManifest(error.message) from error


def parse_text(document: JsonObject, key: str) -> str:
    """A short printable property such as a media type; "" if absent. Raises BadManifest."""
    value = document.get(key)
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > LONGEST_TEXT or not value.isprintable():
        raise BadManifest(f"{key} is not printable text of at most {LONGEST_TEXT} characters")
    return value


def parse_annotations(document: JsonObject) -> Annotations:
    """The pairs of text in `annotations`. Never raises.

    They are shown and passed on, never acted on: what no database can hold is left out.
    """
    value = document.get("annotations")
    if not isinstance(value, dict):
        return ()
    return tuple((key, text) for key, text in value.items() if _storable(key) and _storable(text))


def _storable(value: object) -> bool:
    if not isinstance(value, str) or "\0" in value:
        return False
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _parse_size(value: object) -> int | None:
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= LARGEST_SIZE:
        raise BadManifest("a descriptor's size is not a number of bytes")
    return value


def _parse_platform(value: object) -> Platform | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise BadManifest("a descriptor's platform is not a JSON object")
    return Platform(
        os=parse_text(value, "os"),
        architecture=parse_text(value, "architecture"),
        variant=parse_text(value, "variant"),
    )
