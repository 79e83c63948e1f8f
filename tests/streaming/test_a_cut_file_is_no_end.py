"""A part file that loses bytes which have arrived ends its readers' streams short."""

from __future__ import annotations

import os

import pytest

from cache.streaming.coalescer import Coalescer
from cache.streaming.fill import HOLDBACK
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
