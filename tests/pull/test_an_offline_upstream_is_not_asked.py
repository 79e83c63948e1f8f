"""`offline: true`: what is held goes on being served, and upstream hears nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cache import runtime
from cache.oci.errors import RegistryError
from cache.oci.reference import RepositoryName, Tag
from cache.oci.repository import Repository
from cache.pull import Outcome, resolve_manifest, stat_blob
from cache.runtime import Runtime
from tests.fakes.upstream import FakeUpstream


def test_what_is_held_is_served_stale_and_the_rest_is_refused(
    mirror: Runtime, upstream: FakeUpstream
) -> None:
    image = upstream.add_image("a/b", "v1")
    repository = Repository(mirror.config.proxy.name, RepositoryName.parse("a/b"))
    resolve_manifest(repository, Tag("v1"), None)
    upstream.reset()
    proxy = replace(mirror.config.proxy, offline=True)
    offline = runtime.build(replace(mirror.config, proxy=proxy))
    with runtime.using(offline):
        answer = resolve_manifest(repository, Tag("v1"), None)
        with pytest.raises(RegistryError, match="took it offline") as refused:
            resolve_manifest(repository, Tag("other"), None)
        size = stat_blob(repository, image.layer_digests[0]).size

    assert (answer.outcome, answer.manifest.body) == (Outcome.STALE, image.manifest)
    assert (refused.value.code, refused.value.status) == ("UNAVAILABLE", 502)
    assert size == len(image.layers[0])
    assert upstream.count() == 0
