"""Negative entries: what upstream lacks is not asked for again at once, nor for ever."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import pytest

from cache import runtime
from cache.access.decision import ANONYMOUS
from cache.negatives import MOST_ENTRIES, Negatives
from cache.oci.digest import Digest
from cache.oci.errors import RegistryError
from cache.oci.reference import RepositoryName, Tag
from cache.oci.repository import Repository
from cache.pull import Outcome, open_blob, resolve_manifest, stat_blob
from cache.runtime import Runtime
from tests.fakes.clock import Clock
from tests.fakes.upstream import FakeUpstream


def _repository(mirror: Runtime) -> Repository:
    return Repository(mirror.config.proxy.name, RepositoryName.parse("a/b"))


@pytest.mark.parametrize("reference", [Tag("v1"), Digest.of(b"nothing")])
def test_manifests(mirror: Runtime, upstream: FakeUpstream, reference: Tag | Digest) -> None:
    clock = Clock()
    with runtime.using(replace(mirror, negatives=Negatives(clock))):
        for _ in range(3):
            with pytest.raises(RegistryError, match="MANIFEST_UNKNOWN"):
                resolve_manifest(ANONYMOUS, _repository(mirror), reference, None)
        assert len(upstream.seen()) == 1
        clock.seconds = 10.0
        with pytest.raises(RegistryError, match="MANIFEST_UNKNOWN"):
            resolve_manifest(ANONYMOUS, _repository(mirror), reference, None)
        assert len(upstream.seen()) == 2


def test_blobs(mirror: Runtime, upstream: FakeUpstream) -> None:
    digest = Digest.of(b"nothing")
    with runtime.using(replace(mirror, negatives=Negatives(Clock()))):
        for _ in range(2):
            with pytest.raises(RegistryError, match="BLOB_UNKNOWN"):
                stat_blob(ANONYMOUS, _repository(mirror), digest)
            with (
                pytest.raises(RegistryError, match="BLOB_UNKNOWN"),
                open_blob(ANONYMOUS, _repository(mirror), digest),
            ):
                pass
    assert len(upstream.seen()) == 1


def test_a_tag_that_appears_is_found_after_the_moment(
    mirror: Runtime, upstream: FakeUpstream
) -> None:
    clock = Clock()
    with runtime.using(replace(mirror, negatives=Negatives(clock))):
        with pytest.raises(RegistryError):
            resolve_manifest(ANONYMOUS, _repository(mirror), Tag("v1"), None)
        image = upstream.add_image("a/b", "v1")
        clock.seconds = 11.0
        answer = resolve_manifest(ANONYMOUS, _repository(mirror), Tag("v1"), None)
    assert answer.manifest.digest == image.digest


@pytest.mark.parametrize("on_deleted", ["keep", "drop"])
def test_a_deleted_tag_is_the_operators_call(
    mirror: Runtime, upstream: FakeUpstream, on_deleted: Literal["keep", "drop"]
) -> None:
    image = upstream.add_image("a/b", "v1")
    repository = _repository(mirror)
    proxy = replace(mirror.config.proxy, on_deleted=on_deleted)
    config = replace(mirror.config, proxy=proxy)
    with runtime.using(replace(mirror, config=config)):
        resolve_manifest(ANONYMOUS, repository, Tag("v1"), None)
        del upstream.repository("a/b").tags["v1"]
        for _ in range(2):
            if on_deleted == "drop":
                with pytest.raises(RegistryError, match="MANIFEST_UNKNOWN"):
                    resolve_manifest(ANONYMOUS, repository, Tag("v1"), None)
            else:
                answer = resolve_manifest(ANONYMOUS, repository, Tag("v1"), None)
                assert (answer.outcome, answer.manifest.digest) == (Outcome.STALE, image.digest)


def test_entries_are_bounded() -> None:
    negatives = Negatives(Clock())
    for number in range(MOST_ENTRIES + 1):
        negatives.note(number)
    assert not negatives.has(0, 10.0)
    assert negatives.has(1, 10.0)
