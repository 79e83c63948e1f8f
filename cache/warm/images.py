"""From an image's name, as Docker reads it, to a repository of the mirror."""

from __future__ import annotations

import re
from dataclasses import dataclass

from cache import naming
from cache.config import Config
from cache.oci.digest import Digest
from cache.oci.errors import RegistryError, quote
from cache.oci.reference import Tag
from cache.oci.repository import Repository

HUB = "docker.io"
LATEST = Tag("latest")

# The old name of Docker Hub, which Docker still takes for it.
_OLD_HUB = "index.docker.io"
_IMAGE_ID = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Image:
    """An image that this mirror can fetch."""

    repository: Repository
    reference: Tag | Digest

    def __str__(self) -> str:
        separator = "@" if isinstance(self.reference, Digest) else ":"
        return f"{self.repository}{separator}{self.reference}"


def find_image(config: Config, text: str) -> Image:
    """The image that Docker would pull for ``text``: `busybox`, `ghcr.io/o/i:t@sha256:…`.

    Raises :class:`RegistryError`, whose message is for the operator. The rules are those of
    Docker's reference package: a first part is a registry if it has a dot, a port or a capital,
    or is localhost; a digest goes before a tag; neither means `latest`.
    """
    if "://" in text:
        message = (
            f"{quote(text)} is an address: an image is named without, as in ghcr.io/owner/image:tag"
        )
        raise RegistryError("NAME_INVALID", message)
    if _IMAGE_ID.fullmatch(text):
        raise RegistryError("NAME_INVALID", f"{quote(text)} is an image's id: no registry knows it")
    named, at, digest = text.partition("@")
    first, slash, rest = named.partition("/")
    registry, path = (first, rest) if slash and _is_registry(first) else (HUB, named)
    path, colon, tag = path.partition(":")
    reference: Tag | Digest = Tag.parse(tag) if colon else LATEST
    if at:
        reference = Digest.parse(digest)
    if registry.lower() in (HUB, _OLD_HUB):
        registry = HUB
        # Docker asks a mirror for it so, whether the mirror's upstream is Hub or not.
        path = path if "/" in path else f"library/{path}"
    return Image(naming.locate(config, path, registry.lower()), reference)


def _is_registry(first: str) -> bool:
    return bool({".", ":"} & set(first)) or first == "localhost" or first != first.lower()
