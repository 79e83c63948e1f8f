"""A cut transfer goes on where it stopped, in this process or the next."""

from __future__ import annotations

import pytest

from cache.oci.digest import Digest
from cache.streaming.coalescer import Coalescer
from cache.streaming.part import PartInfo
from cache.streaming.reader import Reader
from cache.streaming.source import RANGE_REJECTED, RetryPolicy, SourceFailed
from cache.streaming.store import FileStore
from tests.streaming.sources import QUICK, STEP, MemorySource, order_of


def _read_all(coalescer: Coalescer, source: MemorySource, policy: RetryPolicy = QUICK) -> bytes:
    with coalescer.join(order_of(source, policy=policy)) as fill, Reader(fill) as reader:
        return b"".join(reader)


def _leave_part(store: FileStore, digest: Digest, data: bytes, size: int | None) -> None:
    """What a filler that was killed leaves behind."""
    part = store.begin(digest)
    assert part is not None
    part.write(data)
    part.describe(PartInfo(size, "hub/one"))
    part.close()


def test_cuts_are_mended_with_ranges(coalescer: Coalescer, megabyte: bytes) -> None:
    source = MemorySource(megabyte, cuts=[STEP * 3, STEP * 9])
    assert _read_all(coalescer, source) == megabyte
    assert source.opened == [0, STEP * 3, STEP * 9]


def test_without_ranges_the_known_beginning_is_checked_and_skipped(
    coalescer: Coalescer, megabyte: bytes
) -> None:
    source = MemorySource(megabyte, cuts=[STEP * 3 + 5], ranges=False)
    assert _read_all(coalescer, source) == megabyte


def test_a_beginning_that_changed_is_thrown_away(coalescer: Coalescer, megabyte: bytes) -> None:
    other = bytes(len(megabyte))
    source = MemorySource(megabyte, answers=[other], cuts=[STEP * 3, STEP * 9], ranges=False)
    assert _read_all(coalescer, source) == megabyte
    assert source.opened == [0, STEP * 3, 0], "at once: the second answer's cut is never reached"


def test_tries_are_bounded_and_the_part_stays(
    coalescer: Coalescer, store: FileStore, megabyte: bytes
) -> None:
    source = MemorySource(megabyte, cuts=[STEP * 8] * 10)
    with pytest.raises(SourceFailed):
        _read_all(coalescer, source, RetryPolicy(tries=3, delay=0.0))
    assert source.opened == [0, STEP * 8, STEP * 8]
    source.cuts.clear()
    assert coalescer.drain(30)
    assert _read_all(coalescer, source) == megabyte
    assert source.opened[-1] == STEP * 8


def test_a_dead_fillers_bytes_are_taken_over(
    coalescer: Coalescer, store: FileStore, megabyte: bytes
) -> None:
    source = MemorySource(megabyte)
    _leave_part(store, Digest.of(megabyte), megabyte[:700_001], len(megabyte))
    assert _read_all(coalescer, source) == megabyte
    assert source.opened == [700_001]


def test_a_wrong_beginning_on_disk_costs_one_more_transfer(
    coalescer: Coalescer, store: FileStore, megabyte: bytes
) -> None:
    source = MemorySource(megabyte)
    _leave_part(store, Digest.of(megabyte), bytes(700_001), len(megabyte))
    with coalescer.join(order_of(source)):
        assert coalescer.drain(30)
    assert source.opened == [700_001, 0]
    assert store.stat(Digest.of(megabyte)) == len(megabyte)


def test_a_whole_part_is_committed_without_asking(
    coalescer: Coalescer, store: FileStore, megabyte: bytes
) -> None:
    source = MemorySource(megabyte)
    _leave_part(store, Digest.of(megabyte), megabyte, len(megabyte))
    assert _read_all(coalescer, source) == megabyte
    assert source.opened == []


def test_a_refused_range_begins_anew(
    coalescer: Coalescer, store: FileStore, megabyte: bytes
) -> None:
    source = MemorySource(megabyte, errors=[SourceFailed(RANGE_REJECTED, "416")])
    _leave_part(store, Digest.of(megabyte), megabyte + b"more", None)
    assert _read_all(coalescer, source) == megabyte
    assert source.opened == [len(megabyte) + 4, 0]


def test_more_bytes_than_announced_are_refused(coalescer: Coalescer, megabyte: bytes) -> None:
    source = MemorySource(megabyte, size_known=False)
    order = order_of(source, size=len(megabyte) - 1)
    with (
        coalescer.join(order) as fill,
        Reader(fill) as reader,
        pytest.raises(SourceFailed, match="more bytes"),
    ):
        b"".join(reader)


def test_a_refusal_leaves_nothing_behind(
    coalescer: Coalescer, store: FileStore, megabyte: bytes
) -> None:
    source = MemorySource(megabyte, errors=[SourceFailed("not-found", "no such blob")])
    with (
        coalescer.join(order_of(source)) as fill,
        pytest.raises(SourceFailed, match="no such blob"),
    ):
        fill.wait_answered(30)
    assert coalescer.drain(30)
    assert list((store.root / "parts").iterdir()) == []
