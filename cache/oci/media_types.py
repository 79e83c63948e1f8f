"""Media types of manifests, and what a client's `Accept` says about them."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

DOCKER_SCHEMA1 = "application/vnd.docker.distribution.manifest.v1+json"
DOCKER_SCHEMA1_SIGNED = "application/vnd.docker.distribution.manifest.v1+prettyjws"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_ARTIFACT = "application/vnd.oci.artifact.manifest.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_EMPTY = "application/vnd.oci.empty.v1+json"
OCTET_STREAM = "application/octet-stream"

IMAGE_TYPES = frozenset({DOCKER_MANIFEST, OCI_MANIFEST})
INDEX_TYPES = frozenset({DOCKER_LIST, OCI_INDEX})
SCHEMA1_TYPES = frozenset({DOCKER_SCHEMA1, DOCKER_SCHEMA1_SIGNED})
MANIFEST_TYPES = IMAGE_TYPES | INDEX_TYPES | SCHEMA1_TYPES | {OCI_ARTIFACT}

ACCEPT = ", ".join(
    (
        OCI_INDEX,
        DOCKER_LIST,
        OCI_MANIFEST,
        DOCKER_MANIFEST,
        OCI_ARTIFACT,
        DOCKER_SCHEMA1_SIGNED,
        DOCKER_SCHEMA1,
        "*/*",
    )
)
"""The `Accept` of every manifest request that we send upstream.

One value with the whole set: some registries read only the first header line, and a type left
out is answered with 404 or with another manifest. The tail admits artifacts of any type; it has
no weight because containerd sends it just so, which is the form that every registry has met.
"""

LONGEST_MEDIA_TYPE = 255
MOST_RANGES = 256
"""Ranges of one `Accept` that are read; real clients send about a dozen."""

# RFC 9110 section 5.6.2 (token), 8.3.1 (media type), 12.4.2 (weight).
_TOKEN = r"[!#$%&'*+.^_`|~0-9a-z-]+"  # noqa: S105 - a grammar's token, no secret
_MEDIA_TYPE = re.compile(rf"{_TOKEN}/{_TOKEN}")
_REFUSAL = re.compile(r"0(?:\.0{0,3})?")


def media_type_of(content_type: str | None) -> str:
    """The media type of a `Content-Type` value: lower case, no parameters; "" if there is none."""
    text = (content_type or "")[: 4 * LONGEST_MEDIA_TYPE].partition(";")[0].strip().lower()
    if len(text) > LONGEST_MEDIA_TYPE or not _MEDIA_TYPE.fullmatch(text):
        return ""
    return text


def is_index(media_type: str) -> bool:
    """Whether manifests of this type point to other manifests, one for each platform."""
    return media_type_of(media_type) in INDEX_TYPES


#: Clients of one kind send the same header with every pull, of up to 8 KiB.
_HEADERS_KEPT = 256


@functools.lru_cache(_HEADERS_KEPT)
def accepts(accept_header: str | None, media_type: str) -> bool:
    """Whether the client takes `media_type` (RFC 9110 section 12.5.1).

    `accept_header` is all the request's `Accept` lines joined with ",". The most specific range
    that covers the type decides; a weight of 0 refuses. No header, or one without a single
    readable range, asks for nothing in particular and accepts all.
    """
    ranges = [found for part in _split(accept_header or "") if (found := _parse_range(part))]
    if not ranges:
        return True
    wanted = media_type_of(media_type)
    kind = wanted.partition("/")[0]
    for pattern in (wanted, f"{kind}/*", "*/*"):
        # A type named twice, by two header lines, is accepted if either accepts it.
        answers = [found.wanted for found in ranges if found.pattern == pattern]
        if answers:
            return any(answers)
    return False


@dataclass(frozen=True, slots=True)
class _Range:
    pattern: str
    wanted: bool


def _split(header: str) -> list[str]:
    # A comma inside a quoted parameter is cut as well: what follows it is no media range.
    return header.split(",", MOST_RANGES)[:MOST_RANGES]


def _parse_range(text: str) -> _Range | None:
    pattern = media_type_of(text)
    if not pattern:
        return None
    weight = "1"
    for parameter in text.split(";")[1:]:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "q":
            weight = value.strip()
            break
    # Only a weight of nothing matters here: one that cannot be read is no refusal.
    return _Range(pattern, wanted=not _REFUSAL.fullmatch(weight))
