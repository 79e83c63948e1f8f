"""A file of another size than the recorded one is put aside, unless it was healed meanwhile."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace

import pytest

from cache import catalog, pull, runtime
from cache.access.decision import ANONYMOUS
from cache.oci.digest import Digest
from cache.oci.reference import RepositoryName
from cache.oci.repository import Repository
from cache.runtime import Runtime
from cache.streaming.blob_file import BlobFile
from cache.streaming.store import FileStore
from tests.fakes.upstream import FakeUpstream

NAME = "library/thing"
DATA = b"some bytes" * 1000


@pytest.fixture
def repository(mirror: Runtime) -> Repository:
    return Repository(mirror.config.proxy.name, RepositoryName.parse(NAME))


def _commit(store: FileStore, digest: Digest) -> None:
    part = store.begin(digest)
    assert part is not None
    part.write(DATA)
    store.commit(digest, part)
    part.close()


class _Outpaced(FileStore):
    """Another process heals the damaged blob just after this one has opened it."""

    def open(self, digest: Digest) -> BlobFile | None:
        file = super().open(digest)
        if file is not None and file.size != len(DATA):
            assert self.quarantine(digest)
            _commit(self, digest)
        return file


@pytest.fixture
def outpaced(mirror: Runtime) -> Iterator[_Outpaced]:
    store = _Outpaced(mirror.config.storage.root)
    with runtime.using(replace(mirror, store=store)):
        yield store


def test_what_another_process_has_healed_is_not_put_aside(
    outpaced: _Outpaced, mirror: Runtime, repository: Repository, upstream: FakeUpstream
) -> None:
    digest = Digest.of(DATA)
    _commit(outpaced, digest)
    catalog.link_blob(repository, digest, mirror.now(), held=len(DATA))
    (blob,) = outpaced.root.glob(f"blobs/*/*/{digest.hex}")
    os.truncate(blob, 5)

    with pull.open_blob(ANONYMOUS, repository, digest):
        pass

    assert mirror.coalescer.drain(30)
    assert outpaced.stat(digest) == len(DATA)
    assert len(list((outpaced.root / "quarantine").iterdir())) == 1
    assert upstream.seen() == []


def test_a_size_that_was_corrected_meanwhile_is_not_believed(
    mirror: Runtime, repository: Repository, upstream: FakeUpstream
) -> None:
    """As when a scrub has found a blob damaged that was cut before it was recorded."""
    digest = Digest.of(DATA)
    store = FileStore(mirror.config.storage.root)
    _commit(store, digest)
    (blob,) = store.root.glob(f"blobs/*/*/{digest.hex}")
    os.truncate(blob, 5)
    catalog.link_blob(repository, digest, mirror.now(), held=5)
    _open_held(repository, digest, 5)  # which is remembered now
    assert store.quarantine(digest)
    catalog.forget_blob(digest)
    _commit(store, digest)
    catalog.record_blob(digest, len(DATA), mirror.now())

    assert pull.stat_blob(ANONYMOUS, repository, digest).size == len(DATA)
    for _ in range(2):
        _open_held(repository, digest, len(DATA))

    assert len(list((store.root / "quarantine").iterdir())) == 1
    assert upstream.seen() == []


def _open_held(repository: Repository, digest: Digest, size: int) -> None:
    with pull.open_blob(ANONYMOUS, repository, digest) as opened:
        assert isinstance(opened, pull.Held)
        assert opened.size == size
        opened.file.close()
