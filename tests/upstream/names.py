"""What the tests of this folder ask for."""

from __future__ import annotations

from cache.oci.digest import Digest
from cache.oci.reference import RepositoryName, Tag

ALPINE = RepositoryName("library/alpine")
SECRET = RepositoryName("acme/secret")
LATEST = Tag("latest")
ABSENT = Digest.of(b"nobody has this")
