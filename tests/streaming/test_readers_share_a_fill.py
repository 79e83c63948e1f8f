"""However many read, one fill asks the source, and nobody's end is another's."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from cache.oci.digest import Digest
from cache.streaming.coalescer import Coalescer
from cache.streaming.fill import HOLDBACK
from cache.streaming.reader import Reader
from cache.streaming.source import CORRUPT, SourceFailed
from cache.streaming.store import FileStore
from tests.streaming.sources import MemorySource, order_of


def _read_all(coalescer: Coalescer, source: MemorySource) -> bytes:
    with coalescer.join(order_of(source)) as fill, Reader(fill) as reader:
        return b"".join(reader)


def test_many_threads_cost_one_request(
    coalescer: Coalescer, store: FileStore, megabyte: bytes
) -> None:
    source = MemorySource(megabyte, hold_at=512 * 1024)
    with ThreadPoolExecutor(20) as pool:
        pulls = [pool.submit(_read_all, coalescer, source) for _ in range(20)]
        assert source.held.wait(30)
        source.release.set()
        assert {pull.result(30) for pull in pulls} == {megabyte}
    assert source.opened == [0]
    assert coalescer.drain(30)
    assert store.stat(Digest.of(megabyte)) == len(megabyte)


def test_bytes_arrive_while_the_fill_runs_but_never_the_last_piece(
    coalescer: Coalescer, megabyte: bytes
) -> None:
    source = MemorySource(megabyte, hold_at=512 * 1024)
    with coalescer.join(order_of(source)) as fill, Reader(fill) as reader:
        assert fill.wait_answered(30)
        assert fill.size == len(megabyte)
        assert source.held.wait(30)
        assert fill.wait_readable(512 * 1024 - HOLDBACK - 1, 30)
        assert not fill.wait_readable(512 * 1024 - HOLDBACK, 0)
        source.release.set()
        assert b"".join(reader) == megabyte


def test_a_reader_who_leaves_stops_nothing(coalescer: Coalescer, megabyte: bytes) -> None:
    source = MemorySource(megabyte, hold_at=512 * 1024)
    with coalescer.join(order_of(source)) as fill:
        leaver, stayer = Reader(fill), Reader(fill)
    assert next(leaver)
    leaver.close()
    source.release.set()
    with stayer:
        assert b"".join(stayer) == megabyte
    assert source.opened == [0]


def test_a_range_reader_gets_just_its_range(coalescer: Coalescer, megabyte: bytes) -> None:
    source = MemorySource(megabyte)
    with coalescer.join(order_of(source)) as fill, Reader(fill, 1000, 900_000) as reader:
        assert b"".join(reader) == megabyte[1000:900_000]


@pytest.mark.parametrize("size", [0, 1, HOLDBACK - 1, HOLDBACK, HOLDBACK + 1])
def test_small_blobs(coalescer: Coalescer, store: FileStore, megabyte: bytes, size: int) -> None:
    source = MemorySource(megabyte[:size])
    assert _read_all(coalescer, source) == megabyte[:size]
    assert coalescer.drain(30)
    blob = store.open(Digest.of(source.data))
    assert blob is not None
    with blob:
        assert blob.read() == source.data


def test_a_size_that_nobody_told_is_known_at_the_end(coalescer: Coalescer, megabyte: bytes) -> None:
    assert _read_all(coalescer, MemorySource(megabyte, size_known=False)) == megabyte


def test_commit_is_told_after_the_blob_is_visible(
    coalescer: Coalescer, store: FileStore, megabyte: bytes
) -> None:
    told: list[tuple[int | None, int, str | None]] = []
    digest = Digest.of(megabyte)
    order = order_of(
        MemorySource(megabyte),
        on_commit=lambda size, origin: told.append((store.stat(digest), size, origin)),
    )
    with coalescer.join(order) as fill:
        assert coalescer.drain(30)
        assert fill.size == len(megabyte)
    assert told == [(len(megabyte), len(megabyte), "hub/one")]


def test_wrong_bytes_are_asked_for_once_more_and_never_completed(
    coalescer: Coalescer, store: FileStore, megabyte: bytes
) -> None:
    wrong = megabyte[:-1] + bytes([megabyte[-1] ^ 1])
    source = MemorySource(megabyte, answers=[wrong, wrong])
    received: list[bytes] = []
    with (
        coalescer.join(order_of(source)) as fill,
        Reader(fill) as reader,
        pytest.raises(SourceFailed) as failed,
    ):
        received.extend(reader)
    assert failed.value.kind == CORRUPT
    assert sum(map(len, received)) <= len(megabyte) - HOLDBACK
    assert source.opened == [0, 0]
    assert store.stat(Digest.of(megabyte)) is None


def test_readers_go_on_when_the_second_transfer_agrees_with_what_they_had(
    coalescer: Coalescer, megabyte: bytes
) -> None:
    wrong = megabyte[:-1] + bytes([megabyte[-1] ^ 1])
    source = MemorySource(megabyte, answers=[wrong], hold_at=900_000)
    with coalescer.join(order_of(source)) as fill, Reader(fill) as reader:
        first = next(reader)
        source.release.set()
        assert first + b"".join(reader) == megabyte
    assert source.opened == [0, 0]


def test_readers_who_had_wrong_bytes_end_short_while_newcomers_get_the_right_ones(
    coalescer: Coalescer, megabyte: bytes
) -> None:
    wrong = bytes([megabyte[0] ^ 1]) + megabyte[1:]
    source = MemorySource(megabyte, answers=[wrong], hold_at=900_000)
    with coalescer.join(order_of(source)) as fill, Reader(fill) as early, Reader(fill) as waiting:
        assert next(early)
        source.release.set()
        with pytest.raises(SourceFailed):
            b"".join(early)
        assert b"".join(waiting) == megabyte


def test_an_order_is_known_as_long_as_the_blob_arrives(
    coalescer: Coalescer, store: FileStore, megabyte: bytes
) -> None:
    """Once it is here, it is served from the store, as in all other processes."""
    source = MemorySource(megabyte, hold_at=512 * 1024)
    digest = Digest.of(megabyte)
    known: list[object] = []

    def committed(_size: int, _origin: str | None) -> None:
        known.append(coalescer.order_of(digest, source.origin))

    order = order_of(source, on_commit=committed)
    assert coalescer.order_of(digest, source.origin) is None
    with coalescer.join(order):
        assert source.held.wait(30)
        assert coalescer.order_of(digest, source.origin) is order
        assert coalescer.order_of(digest, "hub/other") is None
        source.release.set()
        assert coalescer.drain(30)
    assert known == [None]


def test_an_order_that_failed_is_nobodys_way(coalescer: Coalescer, megabyte: bytes) -> None:
    source = MemorySource(megabyte, errors=[SourceFailed("gone", "no", origin="hub")])
    known: list[object] = []

    def failed(_kind: str, _message: str) -> None:
        known.append(coalescer.order_of(Digest.of(megabyte), source.origin))

    with coalescer.join(order_of(source, on_failure=failed)):
        assert coalescer.drain(30)
    assert known == [None]
