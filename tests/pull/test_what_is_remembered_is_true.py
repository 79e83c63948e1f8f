"""What a process keeps in its memory of manifests and tags ends when another process changes it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from cache import retention, runtime
from cache.access.decision import ANONYMOUS
from cache.freshness import Windows
from cache.oci.digest import Digest
from cache.oci.errors import RegistryError
from cache.oci.reference import RepositoryName, Tag
from cache.oci.repository import Repository
from cache.oci.selection import Selection
from cache.pull import Outcome, check_tag, resolve_manifest
from cache.runtime import Runtime
from tests.fakes.upstream import FakeUpstream

NAME = "a/b"


@pytest.fixture
def here(mirror: Runtime) -> Runtime:
    """A process that trusts tags for an hour."""
    return _trusting(mirror)


@pytest.fixture
def elsewhere(mirror: Runtime) -> Iterator[Runtime]:
    """Another process of the same mirror."""
    other = _trusting(runtime.build(mirror.config))
    yield other
    other.close()


def test_a_tag_that_another_process_has_seen_move(
    here: Runtime, elsewhere: Runtime, upstream: FakeUpstream
) -> None:
    first = upstream.add_image(NAME, "v1", (b"first",))
    assert _pull(here, Tag("v1")) == (first.digest, Outcome.MISS)
    assert _pull(here, Tag("v1")) == (first.digest, Outcome.HIT)
    second = upstream.add_image(NAME, "v1", (b"second",))

    with runtime.using(elsewhere):
        check_tag(_repository(here), Tag("v1"))

    assert _pull(here, Tag("v1")) == (second.digest, Outcome.HIT)


def test_a_tag_that_is_gone_for_another_process(
    here: Runtime, elsewhere: Runtime, upstream: FakeUpstream
) -> None:
    upstream.add_image(NAME, "v1")
    _pull(here, Tag("v1"))
    _pull(here, Tag("v1"))
    del upstream.repository(NAME).tags["v1"]

    with runtime.using(elsewhere), pytest.raises(RegistryError):
        check_tag(_repository(here), Tag("v1"))

    with pytest.raises(RegistryError):
        _pull(here, Tag("v1"))


@pytest.mark.django_db(transaction=True)
def test_a_manifest_that_another_process_has_purged(
    here: Runtime, elsewhere: Runtime, upstream: FakeUpstream
) -> None:
    image = upstream.add_image(NAME, "v1")
    _pull(here, image.digest)
    assert _pull(here, image.digest) == (image.digest, Outcome.HIT)

    with runtime.using(elsewhere):
        selection = Selection.parse(f"{NAME}@{image.digest}")
        retention.purge(retention.find(selection, retention.current_policy()), "a test")

    assert _pull(here, image.digest) == (image.digest, Outcome.MISS)


def test_a_confirmation_counts_when_the_database_has_been_told(
    here: Runtime, upstream: FakeUpstream
) -> None:
    image = upstream.add_image(NAME, "v1")
    _pull(here, Tag("v1"))
    _pull(here, Tag("v1"))
    later = here.now() + timedelta(minutes=90)
    with_later = replace(here, now=lambda: later)
    assert _pull(with_later, Tag("v1")) == (image.digest, Outcome.REVALIDATED)
    here.traffic.take_confirmed()

    assert _pull(with_later, Tag("v1")) == (image.digest, Outcome.HIT)


def _trusting(mirror: Runtime) -> Runtime:
    proxy = replace(mirror.config.proxy, freshness=Windows(timedelta(hours=1)))
    return replace(mirror, config=replace(mirror.config, proxy=proxy))


def _repository(mirror: Runtime) -> Repository:
    return Repository(mirror.config.proxy.name, RepositoryName.parse(NAME))


def _pull(mirror: Runtime, reference: Tag | Digest) -> tuple[Digest, Outcome]:
    with runtime.using(mirror):
        answer = resolve_manifest(ANONYMOUS, _repository(mirror), reference, None)
    return answer.manifest.digest, answer.outcome
