"""A blob in the store, as if it had been pulled."""

from __future__ import annotations

from cache import catalog
from cache.oci.digest import Digest
from cache.oci.reference import RepositoryName
from cache.oci.repository import Repository
from cache.runtime import Runtime


def hold_blob(mirror: Runtime, name: str, data: bytes) -> Digest:
    """Put it there, and have the default upstream's repository contain it.

    A fill's thread cannot: it waits in vain for the transaction that a test runs in.
    """
    digest = Digest.of(data)
    part = mirror.store.begin(digest)
    assert part is not None
    part.write(data)
    mirror.store.commit(digest, part)
    part.close()
    repository = Repository(mirror.config.proxy.name, RepositoryName.parse(name))
    catalog.link_blob(repository, digest, mirror.now(), held=len(data))
    return digest
