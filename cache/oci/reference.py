"""Repository names and references, by the grammar of the OCI Distribution Specification 1.1.

See "Pulling manifests" for the two patterns and "Referrers Tag Schema" for `referrers_tag`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from cache.oci.digest import Digest
from cache.oci.errors import RegistryError, quote

LONGEST_NAME = 255
LONGEST_TAG = 128

# Each character can continue a match in one way only, so matching takes linear time.
_PART = r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*"
_NAME = re.compile(rf"{_PART}(?:/{_PART})*")
_TAG = re.compile(rf"[A-Za-z0-9_][A-Za-z0-9._-]{{0,{LONGEST_TAG - 1}}}")
_NOT_IN_A_TAG = re.compile(r"[^A-Za-z0-9._-]")


@dataclass(frozen=True, slots=True)
class RepositoryName:
    """A repository's name within its registry, such as `library/busybox`."""

    value: str

    @classmethod
    def parse(cls, text: str) -> RepositoryName:
        """Raises RegistryError NAME_INVALID."""
        if len(text) > LONGEST_NAME or not _NAME.fullmatch(text):
            message = (
                f"{quote(text)} is not a repository name: allowed are parts of lower-case letters "
                f"and digits, which may be separated by one '.', one or two '_' or any '-', "
                f"joined by '/', at most {LONGEST_NAME} characters in all"
            )
            raise RegistryError("NAME_INVALID", message)
        return cls(text)

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, slots=True)
class Tag:
    """A name that upstream may move from one manifest to another."""

    name: str

    @classmethod
    def parse(cls, text: str) -> Tag:
        """Raises RegistryError TAG_INVALID.

        The OCI table has no code for a tag outside the grammar. Docker's registry API has this
        one; MANIFEST_INVALID would speak of a body that nobody sent.
        """
        if not _TAG.fullmatch(text):
            message = (
                f"{quote(text)} is not a tag: allowed are letters, digits, '_', '.' and '-', "
                f"not beginning with '.' or '-', at most {LONGEST_TAG} characters"
            )
            raise RegistryError("TAG_INVALID", message)
        return cls(text)

    def __str__(self) -> str:
        return self.name


def parse_reference(text: str) -> Tag | Digest:
    """What follows `/manifests/`: a digest has a colon, which a tag never has.

    Raises RegistryError DIGEST_INVALID or TAG_INVALID.
    """
    return Digest.parse(text) if ":" in text else Tag.parse(text)


def referrers_tag(digest: Digest) -> Tag:
    """The tag that lists a digest's referrers where the registry has no referrers API.

    The schema keeps 32 characters of the algorithm and 64 of the hex digits: a sha512 is cut.
    """
    return Tag(_NOT_IN_A_TAG.sub("-", f"{digest.algorithm[:32]}-{digest.hex[:64]}"))


def hub_name(name: RepositoryName) -> RepositoryName:
    """The name Docker Hub knows it by: `busybox` is `library/busybox`, other names stay.

    Raises RegistryError NAME_INVALID when the prefix makes the name too long.
    """
    return name if "/" in name.value else RepositoryName.parse(f"library/{name.value}")
