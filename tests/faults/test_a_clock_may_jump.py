"""A clock that is set back or forward: nothing is trusted for too long, nothing stays refused."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cache import catalog, runtime, upkeep
from cache.access.decision import ANONYMOUS
from cache.config import load
from cache.freshness import Windows
from cache.oci.digest import Digest
from cache.oci.reference import RepositoryName, Tag
from cache.oci.repository import Repository
from cache.pull import Outcome, resolve_manifest
from cache.pull.manifests import ManifestAnswer
from cache.runtime import Runtime
from cache.streaming.coalescer import Coalescer
from cache.streaming.part import Failure, Part, PartInfo
from cache.streaming.reader import Reader
from cache.streaming.source import SourceFailed
from cache.streaming.store import FileStore
from tests.fakes.upstream import FakeUpstream
from tests.streaming.sources import MemorySource, order_of

START = datetime(2026, 1, 1, tzinfo=UTC)
YEAR = timedelta(days=365)
TAG = Tag("v1")
DATA = bytes(range(256)) * 1000
DIGEST = Digest.of(DATA)


@pytest.fixture
def upstream() -> Iterator[FakeUpstream]:
    with FakeUpstream() as upstream:
        upstream.add_image("a/b", str(TAG))
        yield upstream


@pytest.fixture
def mirror(upstream: FakeUpstream, tmp_path: Path, db: None) -> Iterator[Runtime]:
    """This process as a mirror that trusts a tag's answer for an hour."""
    environ = {
        "MIRROR_CONFIG": "/dev/null",
        "REGISTRY_PROXY_REMOTEURL": upstream.url,
        "REGISTRY_PROXY_FRESHNESS": "1h",
        "REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY": str(tmp_path),
    }
    built = runtime.build(load(None, environ))
    yield built
    built.close()


def _pull(mirror: Runtime, now: datetime) -> ManifestAnswer:
    with runtime.using(replace(mirror, now=lambda: now)):
        return resolve_manifest(ANONYMOUS, _repository(mirror), TAG, None)


def _repository(mirror: Runtime) -> Repository:
    return Repository(mirror.config.proxy.name, RepositoryName.parse("a/b"))


@pytest.mark.parametrize("jump", [YEAR, -YEAR])
def test_an_answer_from_another_time_is_checked_and_then_trusted_again(
    mirror: Runtime, jump: timedelta
) -> None:
    _pull(mirror, START)

    outcomes = [_pull(mirror, START + jump).outcome for _ in range(2)]

    assert outcomes == [Outcome.REVALIDATED, Outcome.HIT]


def test_a_check_in_the_future_is_noted_anew_without_a_window_too(mirror: Runtime) -> None:
    proxy = replace(mirror.config.proxy, freshness=Windows())
    strict = replace(mirror, config=replace(mirror.config, proxy=proxy))
    _pull(strict, START + YEAR)

    _pull(strict, START)

    with runtime.using(mirror):
        upkeep.flush()
    known = catalog.find_tag(_repository(mirror), TAG)
    assert known is not None
    assert known.checked_at == START


def test_a_stale_answers_age_is_never_negative(mirror: Runtime, upstream: FakeUpstream) -> None:
    _pull(mirror, START + YEAR)
    upstream.stop()

    answer = _pull(mirror, START)

    assert (answer.outcome, answer.age) == (Outcome.STALE, 0)


def _begin_elsewhere(store: FileStore) -> Part:
    """Another process has the part, and a quarter of the blob."""
    part = store.begin(DIGEST)
    assert part is not None
    part.write(DATA[: len(DATA) // 4])
    part.describe(PartInfo(len(DATA), "library/one"))
    return part


def _give_up(part: Part, at: float) -> None:
    failure = Failure("broken", "upstream is off", retry_after=None, origin=None, at=at)
    part.describe(PartInfo(len(DATA), "library/one", failure))
    part.close()


@pytest.mark.parametrize("jump", [86400.0, -86400.0])
def test_an_old_failure_is_nobodys_answer(tmp_path: Path, jump: float) -> None:
    store, source = FileStore(tmp_path), MemorySource(DATA)
    coalescer = Coalescer(store)
    _give_up(_begin_elsewhere(store), at=time.time() + jump)

    with coalescer.join(order_of(source)) as fill, Reader(fill) as reader:
        assert b"".join(reader) == DATA
        assert coalescer.drain(30)


@pytest.mark.parametrize("jump", [86400.0, -86400.0])
def test_the_failure_of_the_filler_that_was_followed_is_the_answer(
    tmp_path: Path, jump: float
) -> None:
    store, source = FileStore(tmp_path), MemorySource(DATA)
    coalescer = Coalescer(store)
    part = _begin_elsewhere(store)

    with coalescer.join(order_of(source)) as fill, Reader(fill) as reader:
        assert fill.wait_answered(30)  # so it follows
        _give_up(part, at=time.time() + jump)
        with pytest.raises(SourceFailed, match="upstream is off"):
            b"".join(reader)
        assert coalescer.drain(30)

    assert source.opened == []
