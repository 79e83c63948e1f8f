"""The lock that has processes share a manifest's fetch saves work; without it a pull goes on."""

from __future__ import annotations

from cache.access.decision import ANONYMOUS
from cache.oci.reference import RepositoryName, Tag
from cache.oci.repository import Repository
from cache.pull import Outcome, resolve_manifest
from cache.runtime import Runtime
from tests.fakes.upstream import FakeUpstream


def test_a_folder_that_takes_no_lock_file(mirror: Runtime, upstream: FakeUpstream) -> None:
    image = upstream.add_image("a/b", "v1")
    repository = Repository(mirror.config.proxy.name, RepositoryName.parse("a/b"))
    mirror.locks.rmdir()

    answer = resolve_manifest(ANONYMOUS, repository, Tag("v1"), None)

    assert (answer.manifest.body, answer.outcome) == (image.manifest, Outcome.MISS)
    assert resolve_manifest(ANONYMOUS, repository, image.digest, None).outcome is Outcome.HIT
