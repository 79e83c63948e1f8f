"""`offline: true`: upstream is never asked; what is held is served, and the rest is refused so."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from cache import catalog, pull, runtime
from cache.access.decision import ANONYMOUS
from cache.config import load
from cache.oci.digest import Digest
from cache.oci.errors import RegistryError
from cache.oci.reference import RepositoryName, Tag
from cache.oci.repository import Repository
from cache.pull import Outcome
from cache.runtime import Runtime
from tests.fakes.images import Image
from tests.fakes.upstream import FakeUpstream

ABSENT = Digest.of(b"nobody has this")


@pytest.fixture
def image(upstream: FakeUpstream, mirror: Runtime) -> Image:
    """An image that was pulled when upstream was online; its layer was not."""
    image = upstream.add_image("acme/app", "v1", [b"layer" * 100])
    upstream.add_image("acme/app", "v2", [b"other"])
    here = _repository(mirror)
    pull.resolve_manifest(ANONYMOUS, here, Tag("v1"), None)
    part = mirror.store.begin(image.config_digest)
    assert part is not None
    part.write(image.config)
    mirror.store.commit(image.config_digest, part)
    part.close()
    catalog.link_blob(here, image.config_digest, mirror.now(), held=len(image.config))
    upstream.reset()
    return image


@pytest.fixture
def offline(
    upstream: FakeUpstream, mirror: Runtime, image: Image, tmp_path: Path
) -> Iterator[Runtime]:
    """The same mirror, started anew with its upstream offline."""
    environ = {
        "REGISTRY_PROXY_REMOTEURL": upstream.url,
        "REGISTRY_PROXY_OFFLINE": "true",
        "REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY": str(tmp_path / "root"),
    }
    with runtime.using(runtime.build(load(None, environ))) as built:
        yield built
        assert built.coalescer.drain(30)
        built.close()
    assert upstream.requests == []


def _repository(mirror: Runtime) -> Repository:
    return Repository(mirror.config.proxy.name, RepositoryName("acme/app"))


def test_a_tag_is_served_stale_with_its_age(
    mirror: Runtime, offline: Runtime, image: Image
) -> None:
    later = replace(offline, now=lambda: mirror.now() + timedelta(hours=2))

    with runtime.using(later):
        answer = pull.resolve_manifest(ANONYMOUS, _repository(offline), Tag("v1"), None)

    assert (answer.manifest.digest, answer.outcome) == (image.digest, Outcome.STALE)
    assert answer.age is not None
    assert answer.age >= 7200


def test_its_manifests_and_blobs_are_served(offline: Runtime, image: Image) -> None:
    here = _repository(offline)

    assert pull.resolve_manifest(ANONYMOUS, here, image.digest, None).outcome is Outcome.HIT
    with pull.open_blob(ANONYMOUS, here, image.config_digest) as blob:
        assert isinstance(blob, pull.Held)
        with blob.file:
            assert blob.file.read() == image.config
    assert pull.stat_blob(ANONYMOUS, here, image.layer_digests[0]).size == len(image.layers[0])
    assert pull.list_tags(ANONYMOUS, here, None, "").names == ("v1",)
    assert pull.list_referrers(ANONYMOUS, here, image.digest, None).outcome is Outcome.STALE


UseCase = Callable[[Repository, Image], object]


def _open(repository: Repository, digest: Digest) -> None:
    with pull.open_blob(ANONYMOUS, repository, digest):
        pass


@pytest.mark.parametrize(
    "use_case",
    [
        lambda here, _: pull.resolve_manifest(ANONYMOUS, here, Tag("v2"), None),
        lambda here, _: pull.resolve_manifest(ANONYMOUS, here, ABSENT, None),
        lambda here, image: _open(here, image.layer_digests[0]),
        lambda here, _: pull.stat_blob(ANONYMOUS, here, ABSENT),
        lambda here, _: pull.list_tags(
            ANONYMOUS, replace(here, name=RepositoryName("a/b")), None, ""
        ),
    ],
    ids=["tag", "manifest", "blob", "size", "tags"],
)
def test_the_rest_is_refused_as_by_a_cache_that_may_not_ask(
    offline: Runtime, image: Image, use_case: UseCase
) -> None:
    with pytest.raises(RegistryError, match=r"took it offline") as refused:
        use_case(_repository(offline), image)

    assert (refused.value.code, refused.value.status) == ("UNAVAILABLE", 504)


def test_a_blob_of_another_repository_stays_there(offline: Runtime, image: Image) -> None:
    """Upstream would have to vouch for it."""
    with pytest.raises(RegistryError) as refused:
        _open(replace(_repository(offline), name=RepositoryName("a/b")), image.config_digest)

    assert refused.value.status == 504


def test_the_operator_is_not_warned_of_what_he_wanted(
    offline: Runtime, image: Image, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        pull.resolve_manifest(ANONYMOUS, _repository(offline), Tag("v1"), None)

    assert caplog.records == []
