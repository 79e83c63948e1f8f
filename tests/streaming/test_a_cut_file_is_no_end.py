"""A part file that loses bytes which have arrived ends its readers' streams short."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from cache.streaming.coalescer import Coalescer
from cache.streaming.fill import HOLDBACK
from cache.streaming.part import Part
from cache.streaming.reader import CHUNK, Reader
from cache.streaming.source import STORE_FAILED, SourceFailed
from cache.streaming.store import FileStore
from tests.streaming.sources import MemorySource, order_of


@pytest.mark.parametrize("has_begun", [True, False])
def test_the_stream_does_not_end_as_if_all_were_there(
    store: FileStore, coalescer: Coalescer, megabyte: bytes, has_begun: bool
) -> None:
    source = MemorySource(megabyte, hold_at=3 * CHUNK)
    with coalescer.join(order_of(source)) as fill:
        assert source.held.wait(30)
        fill.wait_readable(2 * CHUNK + HOLDBACK, 30)
        with Reader(fill) as reader:
            if has_begun:
                assert next(reader) == megabyte[:CHUNK]
            (part,) = store.root.glob("parts/*.part")
            os.truncate(part, CHUNK if has_begun else CHUNK - 1)

            with pytest.raises(SourceFailed) as failed:
                # The other way is that of the kernel, which sends what stands in the file.
                next(reader if has_begun else reader.spans())
            assert failed.value.kind == STORE_FAILED
        source.release.set()
    assert coalescer.drain(30)


@pytest.mark.parametrize("grows", [False, True])
def test_what_was_changed_meanwhile_is_nobodys_blob(
    store: FileStore, coalescer: Coalescer, megabyte: bytes, grows: bool
) -> None:
    """The filler writes on behind the cut, and knows the right hash of what it has written."""
    source = MemorySource(megabyte, hold_at=3 * CHUNK)
    with coalescer.join(order_of(source)) as fill:
        assert source.held.wait(30)
        fill.wait_readable(CHUNK, 30)
        (part,) = store.root.glob("parts/*.part")
        os.truncate(part, 4 * CHUNK if grows else CHUNK)
        with Reader(fill, total=len(megabyte)) as reader:
            source.release.set()
            with pytest.raises(SourceFailed, match=r"store failed|was cut"):
                for _ in reader:
                    pass
    assert coalescer.drain(30)

    assert store.open(order_of(source).digest) is None
    assert list(store.root.glob("parts/*.part")) == []


@dataclass
class CutsItself(MemorySource):
    """When all has arrived, ``store``'s part file loses some of it again."""

    store: FileStore = field(kw_only=True)

    def _chunks(self, data: bytes, start: int, cut: int | None) -> Iterator[bytes]:
        yield from super()._chunks(data, start, cut)
        (part,) = self.store.root.glob("parts/*.part")
        os.truncate(part, CHUNK)


def test_a_cut_after_the_last_byte(store: FileStore, coalescer: Coalescer, megabyte: bytes) -> None:
    source = CutsItself(megabyte, store=store)
    with (
        coalescer.join(order_of(source)) as fill,
        Reader(fill, total=len(megabyte)) as reader,
        pytest.raises(SourceFailed, match=r"store failed|was cut"),
    ):
        for _ in reader:
            pass
    assert coalescer.drain(30)

    assert store.open(order_of(source).digest) is None


def test_a_cut_while_what_is_there_is_read_again(
    store: FileStore, coalescer: Coalescer, megabyte: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = MemorySource(megabyte)
    part = store.begin(order_of(source).digest)
    assert part is not None
    part.write(megabyte[: 3 * CHUNK])
    part.close()
    read = Part.read

    def cut_and_read(part: Part, length: int, offset: int) -> bytes:
        os.truncate(part.path, CHUNK)
        return read(part, min(length, CHUNK), offset)

    monkeypatch.setattr(Part, "read", cut_and_read)
    with coalescer.join(order_of(source)):
        assert coalescer.drain(30)

    assert list(store.root.glob("parts/*.part")) == []
