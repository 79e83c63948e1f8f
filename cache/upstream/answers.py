"""What an upstream answers, as values: headers and lists parsed, nonsense refused."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

import httpx

from cache.oci.digest import Digest
from cache.oci.errors import RegistryError
from cache.oci.media_types import media_type_of
from cache.oci.reference import Tag
from cache.upstream.endpoint import origin_of, parse_http_url
from cache.upstream.errors import BadAnswer, Interrupted, RangeRejected

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cache.upstream.reply import Chunk, Reply

LONGEST_CONTENT_TYPE = 255

# RFC 9110 section 14.4. Numbers of more digits than any file has bytes are no numbers.
_RANGE = re.compile(r"bytes[ \t]+(\d{1,18})-(\d{1,18})/(\d{1,18}|\*)", re.ASCII)
_UNSATISFIED = re.compile(r"bytes[ \t]+\*/(\d{1,18})", re.ASCII)
_NUMBER = re.compile(r"\d{1,18}", re.ASCII)


@dataclass(frozen=True, slots=True)
class ManifestHead:
    """What upstream says of a manifest; None where it does not say. `size` is in bytes."""

    digest: Digest | None
    media_type: str | None
    size: int | None


@dataclass(frozen=True, slots=True)
class ManifestBody:
    """A manifest as sent. `digest` is what upstream claims: nobody has verified it yet."""

    body: bytes
    content_type: str | None
    digest: Digest | None


@dataclass(frozen=True, slots=True)
class ReferrersAnswer:
    """An index as sent. `filtered`: upstream says that it applied the artifact type."""

    body: bytes
    filtered: bool


@dataclass(frozen=True, slots=True)
class BlobStream:
    """A blob's bytes from `offset` on, as they arrive. `size` is that of the whole blob, in bytes.

    `chunks` can be read once; it raises Interrupted if it cannot deliver what was announced.
    """

    offset: int
    size: int | None
    chunks: Iterator[Chunk]


def content_type(reply: Reply) -> str | None:
    value = reply.header("content-type")
    if value is None or len(value) > LONGEST_CONTENT_TYPE or not value.isprintable():
        return None
    return value


def date_of(reply: Reply) -> datetime | None:
    """The answer's `Date` (RFC 9110, section 6.6.1), in UTC."""
    try:
        said = parsedate_to_datetime((reply.header("date") or "")[:LONGEST_CONTENT_TYPE])
    except ValueError:
        return None
    return said.astimezone(UTC) if said.tzinfo is not None else None


def content_length(reply: Reply) -> int | None:
    value = reply.header("content-length")
    return int(value) if value is not None and _NUMBER.fullmatch(value) else None


def claimed_digest(reply: Reply) -> Digest | None:
    """What `Docker-Content-Digest` says, None if that is nothing readable."""
    try:
        return Digest.parse(reply.header("docker-content-digest") or "")
    except RegistryError:
        return None


def manifest_digest(reply: Reply, reference: Tag | Digest) -> Digest | None:
    """The claimed digest. Raises BadAnswer if another one was asked for."""
    claimed = claimed_digest(reply)
    if not isinstance(reference, Digest):
        return claimed
    if claimed is not None and claimed.algorithm == reference.algorithm and claimed != reference:
        raise BadAnswer(f"{reply.host} answered with another manifest than {reference}.")
    return reference


def refuse_html(reply: Reply, wanted: Digest | None = None) -> None:
    """Raise BadAnswer for a web page, as log-in portals and mistyped addresses send it.

    An answer that names the `wanted` digest is what it says, whatever its type.
    """
    if media_type_of(content_type(reply)) != "text/html":
        return
    if wanted is None or claimed_digest(reply) != wanted:
        raise BadAnswer(f"{reply.host} answered with a web page: is it a registry?")


def range_rejected(reply: Reply, what: str) -> RangeRejected:
    """The error for a 416."""
    found = _UNSATISFIED.fullmatch(reply.header("content-range") or "")
    size = int(found[1]) if found else None
    return RangeRejected(f"{reply.host} does not have that range of {what}.", size)


def blob_stream(reply: Reply, offset: int) -> BlobStream:
    """The stream in a 200 or 206 to a request for the bytes from `offset` on. Raises BadAnswer."""
    length = content_length(reply)
    if reply.status == 200:
        return BlobStream(0, length, _exactly(reply, length))
    start, end, size = parse_content_range(reply)
    if start != offset or (size is not None and end != size):
        raise BadAnswer(f"{reply.host} sent another range than the one asked for.")
    return BlobStream(start, size, _exactly(reply, end - start))


def parse_content_range(reply: Reply) -> tuple[int, int, int | None]:
    """First byte, end (exclusive) and whole size of a 206. Raises BadAnswer."""
    found = _RANGE.fullmatch((reply.header("content-range") or "").strip())
    if found is None:
        raise BadAnswer(f"{reply.host} sent a part without saying which.")
    start, end = int(found[1]), int(found[2]) + 1
    size = None if found[3] == "*" else int(found[3])
    length = content_length(reply)
    if start >= end or (size is not None and end > size) or length not in (None, end - start):
        raise BadAnswer(f"{reply.host} sent a part with impossible bounds.")
    return start, end, size


def _exactly(reply: Reply, count: int | None) -> Iterator[Chunk]:
    received = 0
    for chunk in reply.chunks():
        received += len(chunk)
        if count is not None and received > count:
            raise Interrupted(f"{reply.host} sent more than it had announced.")
        yield chunk
    if count is not None and received < count:
        raise Interrupted(f"{reply.host} sent less than it had announced.")


def tag_names(reply: Reply, body: bytes) -> tuple[str, ...]:
    """Read a tag list (OCI Distribution, "Listing Tags"). Raises BadAnswer.

    Entries that are no tags are left out: nobody can ask for them.
    """
    try:
        listed = json.loads(body)["tags"] or []
    except (ValueError, LookupError, TypeError, RecursionError):
        listed = None
    if not isinstance(listed, list):
        raise BadAnswer(f"{reply.host} sent no tag list.")
    return tuple(tag for tag in listed if isinstance(tag, str) and _is_tag(tag))


def next_page(reply: Reply, url: httpx.URL) -> httpx.URL | None:
    """Where the Link header (RFC 8288) of the answer to `url` leads on. Raises BadAnswer."""
    link = reply.response.links.get("next")
    if link is None:
        return None
    try:
        target = parse_http_url(str(url.join(link["url"])))
    except (httpx.InvalidURL, ValueError):
        target = None
    # The next page is asked for with our credentials.
    if target is None or origin_of(target) != origin_of(url):
        raise BadAnswer(f"{reply.host} names a next page that is not its own.")
    return target


def _is_tag(text: str) -> bool:
    try:
        Tag.parse(text)
    except RegistryError:
        return False
    return True
