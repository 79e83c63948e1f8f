"""What an operator names when some content is to stay or to go: repositories, tags, digests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from cache.oci.digest import Digest
from cache.oci.errors import RegistryError
from cache.oci.pattern import Pattern

_OFFICIAL = "library/"


@dataclass(frozen=True, slots=True)
class Selection:
    """Content of the repositories that a pattern fits: all of it, some tags, or one digest.

    A digest without a repository means that digest in whatever repository.
    """

    text: str
    repository: Pattern | None
    tag: Pattern | None
    digest: Digest | None

    @classmethod
    def parse(cls, text: str) -> Selection:
        """Read `REPOSITORY`, `REPOSITORY:TAG`, `REPOSITORY@DIGEST` or `DIGEST`; ValueError.

        `REPOSITORY` and `TAG` are patterns. The registry may stand in front of a repository.
        """
        before, at, after = text.rpartition("@")
        try:
            if at:
                return cls(text, _repositories(before), None, Digest.parse(after))
            if "/" not in text and text.partition(":")[0] in {"sha256", "sha512"}:
                return cls(text, None, None, Digest.parse(text))
        except RegistryError as error:
            raise ValueError(error.message) from None
        name, colon, tag = text.rpartition(":")
        if not colon or "/" in tag:
            # A colon before a slash belongs to the registry's port.
            return cls(text, _repositories(text), None, None)
        return cls(text, _repositories(name), Pattern(tag), None)

    @property
    def is_whole(self) -> bool:
        """Whether it means all that a repository has."""
        return self.tag is None and self.digest is None

    def fits_repository(self, upstream: str, name: str) -> bool:
        """Whether it speaks of this repository at all."""
        return self.repository is None or any(
            self.repository.fits(known) for known in _names(upstream, name)
        )

    def fits_manifest(self, upstream: str, name: str, tags: Iterable[str], digest: str) -> bool:
        """Whether it means this manifest of the repository, to which these tags point."""
        if self.digest is not None:
            return str(self.digest) == digest and self.fits_repository(upstream, name)
        if self.tag is not None and not any(self.tag.fits(tag) for tag in tags):
            return False
        return self.fits_repository(upstream, name)

    def fits_blob(self, repositories: Iterable[tuple[str, str]], digest: str) -> bool:
        """Whether it means this blob, which these repositories (upstream, name) contain."""
        if self.tag is not None or (self.digest is not None and str(self.digest) != digest):
            return False
        return self.repository is None or any(
            self.fits_repository(upstream, name) for upstream, name in repositories
        )

    def __str__(self) -> str:
        return self.text


def _repositories(text: str) -> Pattern:
    if text != text.lower():
        raise ValueError("repositories are written in lower case")
    registry, slash, rest = text.partition("/")
    if ":" in (rest if slash else registry):
        raise ValueError("a repository has no ':' but before its registry's port")
    return Pattern(text)


def _names(upstream: str, name: str) -> Iterator[str]:
    """All that a repository is called: Docker Hub's official images go without `library`, too."""
    yield name
    yield f"{upstream}/{name}"
    rest = name.removeprefix(_OFFICIAL)
    if rest != name:
        yield rest
        yield f"{upstream}/{rest}"
