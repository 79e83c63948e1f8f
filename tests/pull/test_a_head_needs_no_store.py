"""A store that cannot be read is no reason to refuse what upstream, or a manifest, can tell."""

from __future__ import annotations

from cache.access.decision import ANONYMOUS
from cache.oci.reference import RepositoryName, Tag
from cache.oci.repository import Repository
from cache.pull import Held, Outcome, open_blob, resolve_manifest, stat_blob
from cache.runtime import Runtime
from tests.fakes.upstream import FakeUpstream


def test_the_size_is_told(mirror: Runtime, upstream: FakeUpstream) -> None:
    image = upstream.add_image("a/b", "v1", [b"layer"])
    repository = Repository(mirror.config.proxy.name, RepositoryName.parse("a/b"))
    resolve_manifest(ANONYMOUS, repository, Tag("v1"), None)
    with open_blob(ANONYMOUS, repository, image.config_digest):
        assert mirror.coalescer.drain(30)
    with open_blob(ANONYMOUS, repository, image.config_digest) as held:
        assert isinstance(held, Held)
        held.file.close()
    assert stat_blob(ANONYMOUS, repository, image.config_digest).outcome is Outcome.HIT
    folder = mirror.config.storage.root / "blobs" / "sha256" / image.config_digest.hex[:2]
    folder.rename(folder.with_name("elsewhere"))
    folder.write_bytes(b"a file has no files in it")

    found = stat_blob(ANONYMOUS, repository, image.config_digest)

    assert (found.size, found.outcome) == (len(image.config), Outcome.MISS)
