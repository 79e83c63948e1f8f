"""The part's lock: one filler at a time, on the very file at the path, and not for a held blob."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cache.oci.digest import Digest
from cache.streaming.coalescer import Coalescer
from cache.streaming.part import lock_part
from cache.streaming.reader import Reader
from cache.streaming.reading import is_at
from cache.streaming.source import SourceFailed
from cache.streaming.store import FileStore
from tests.streaming.sources import MemorySource, order_of

DIGEST = Digest.of(b"data")
ROUNDS = 3000


def test_a_second_filler_is_refused_until_the_first_is_done(store: FileStore) -> None:
    first = store.begin(DIGEST)
    assert first is not None
    assert store.begin(DIGEST) is None
    first.close()
    second = store.begin(DIGEST)
    assert second is not None
    second.close()


def test_a_held_blob_needs_no_filler(store: FileStore) -> None:
    part = store.begin(DIGEST)
    assert part is not None
    part.write(b"data")
    store.commit(DIGEST, part)
    part.close()
    assert store.begin(DIGEST) is None
    assert list((store.root / "parts").iterdir()) == []


def test_who_locks_has_the_file_at_the_path(tmp_path: Path) -> None:
    """A file may be renamed away between its opening and its locking: then it is not the part."""
    path, away = tmp_path / "part", tmp_path / "away"

    def fill_and_commit() -> None:
        for _ in range(ROUNDS):
            part = lock_part(path)
            if part is not None:
                assert is_at(path, part.fd)
                path.replace(away)
                part.close()

    with ThreadPoolExecutor(4) as pool:
        for worker in [pool.submit(fill_and_commit) for _ in range(4)]:
            worker.result()


def test_a_fill_that_has_failed_is_not_joined(coalescer: Coalescer) -> None:
    reporting, reported = threading.Event(), threading.Event()

    def report(_kind: str, _message: str) -> None:
        reporting.set()
        assert reported.wait(30)

    source = MemorySource(b"data", errors=[SourceFailed("broken", "for once")])
    failing = order_of(source, on_failure=report)
    with coalescer.join(failing) as fill, pytest.raises(SourceFailed, match="for once"):
        fill.wait_answered(30)
    assert reporting.wait(30)

    with coalescer.join(order_of(source)) as fill, Reader(fill) as reader:
        assert b"".join(reader) == b"data"
    reported.set()
    assert coalescer.drain(30)
