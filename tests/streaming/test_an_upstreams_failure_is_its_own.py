"""Two registries have one blob: the trouble of one is nothing to those who ask the other."""

from __future__ import annotations

import pytest

from cache.oci.digest import Digest
from cache.streaming.coalescer import Coalescer
from cache.streaming.reader import Reader
from cache.streaming.source import CORRUPT, SourceFailed
from cache.streaming.store import FileStore
from tests.streaming.sources import MemorySource, order_of


def test_a_reader_of_a_sound_one_gets_the_blob(coalescer: Coalescer, megabyte: bytes) -> None:
    broken = MemorySource(megabyte, cuts=[300_000, *[0] * 9], hold_at=300_000)
    sound = MemorySource(megabyte, "other/one", "other")
    with coalescer.join(order_of(broken)) as fill, Reader(fill) as first:
        assert broken.held.wait(30)
        with coalescer.join(order_of(sound)) as joined, Reader(joined) as second:
            assert joined is fill
            broken.release.set()
            assert b"".join(second) == megabyte
            assert b"".join(first) == megabyte
    assert sound.opened == [broken.opened[-1]], "it goes on where the other one had ended"


def test_no_other_repository_of_the_broken_one_is_asked(
    coalescer: Coalescer, megabyte: bytes
) -> None:
    broken = MemorySource(megabyte, cuts=[0] * 9, hold_at=0)
    sibling = MemorySource(megabyte, "hub/two")
    with coalescer.join(order_of(broken)) as fill:
        assert broken.held.wait(30)
        with coalescer.join(order_of(sibling)) as joined, Reader(joined) as reader:
            assert joined is fill
            broken.release.set()
            with pytest.raises(SourceFailed):
                b"".join(reader)
    assert sibling.opened == []


def test_wrong_bytes_are_one_upstreams(
    coalescer: Coalescer, store: FileStore, megabyte: bytes
) -> None:
    # Readers are given nothing of a blob this small before it is verified.
    small = megabyte[:60_000]
    lying = MemorySource(small, answers=[small[::-1]] * 2, hold_at=0)
    sound = MemorySource(small, "other/one", "other")
    told: list[str] = []
    order = order_of(lying, on_failure=lambda kind, _message: told.append(kind))
    with coalescer.join(order) as fill:
        assert lying.held.wait(30)
        with coalescer.join(order_of(sound)) as joined, Reader(joined) as reader:
            assert joined is fill
            lying.release.set()
            assert b"".join(reader) == small
    assert coalescer.drain(30)
    assert told == [CORRUPT]
    assert store.stat(Digest.of(small)) == len(small)
    assert (lying.opened, sound.opened) == ([0, 0], [0])


def test_what_another_process_was_told_by_one_upstream_is_not_adopted(
    store: FileStore, megabyte: bytes
) -> None:
    mine, others = Coalescer(store), Coalescer(store)
    small = megabyte[:60_000]
    lying = MemorySource(small, answers=[small[::-1]] * 2, hold_at=20_000)
    sound = MemorySource(small, "other/one", "other")
    with others.join(order_of(lying)):
        assert lying.held.wait(30)
        with mine.join(order_of(sound)) as fill, Reader(fill) as reader:
            assert fill.wait_answered(30), "it follows the other one"
            lying.release.set()
            assert b"".join(reader) == small
    assert others.drain(30)
    assert mine.drain(30)
