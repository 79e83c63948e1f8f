"""What must stay free of the disk stays free: room is made first, or the blob is not kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from cache.streaming.coalescer import Coalescer
from cache.streaming.reader import Reader
from cache.streaming.room import Room, space_of
from cache.streaming.source import STORE_FAILED, SourceFailed
from cache.streaming.store import FileStore
from tests.streaming.sources import MemorySource, order_of


class Disk:
    """Somebody to ask for room, who gives up what was reserved, or nothing."""

    def __init__(self, folder: Path, *, gives: bool) -> None:
        self.asked: list[int] = []
        self.now = 0.0
        self.reserved = space_of(folder).total
        self._gives = gives
        self.room = Room(folder, lambda _total: self.reserved, self._ask, lambda: self.now)

    def _ask(self, wanted: int) -> None:
        self.asked.append(wanted)
        if self._gives:
            self.reserved = 0


def test_room_is_made_before_the_first_byte(tmp_path: Path, megabyte: bytes) -> None:
    disk = Disk(tmp_path, gives=True)
    store = FileStore(tmp_path, room=disk.room)
    source = MemorySource(megabyte)

    with Coalescer(store).join(order_of(source)) as fill, Reader(fill) as reader:
        assert b"".join(reader) == megabyte

    assert disk.asked == [len(megabyte)]
    assert source.opened == [0]


def test_without_room_nothing_is_kept_and_readers_know_where_to_go(
    tmp_path: Path, megabyte: bytes
) -> None:
    store = FileStore(tmp_path, room=Disk(tmp_path, gives=False).room)
    coalescer = Coalescer(store)

    with coalescer.join(order_of(MemorySource(megabyte))) as fill, Reader(fill) as reader:
        assert fill.wait_answered(30)
        with pytest.raises(SourceFailed, match="No space left") as failed:
            next(reader)

    assert failed.value.kind == STORE_FAILED
    assert coalescer.drain(30)
    assert list((tmp_path / "parts").iterdir()) == []


def test_who_was_told_that_there_is_none_does_not_ask_again_at_once(tmp_path: Path) -> None:
    disk = Disk(tmp_path, gives=False)
    assert not disk.room.make(5)
    assert not disk.room.make(5)
    assert disk.asked == [5]

    disk.now += 60
    assert not disk.room.make(7)
    assert disk.asked == [5, 7]


def test_a_disk_is_full_where_nobody_makes_room(tmp_path: Path) -> None:
    disk = Disk(tmp_path, gives=False)
    assert disk.room.is_full(), "nobody is known to make room"
    assert disk.asked == [], "looking asks for nothing"

    assert not disk.room.make(5)
    assert disk.room.is_full()
    disk.reserved = 0
    assert not disk.room.is_full()


def test_a_disk_is_not_full_while_somebody_makes_room(tmp_path: Path) -> None:
    disk = Disk(tmp_path, gives=True)
    assert disk.room.make(5)

    disk.reserved = space_of(tmp_path).total
    assert not disk.room.is_full(), "the next fill asks, as the last one did"


def test_the_rest_of_a_long_fill_is_asked_for_on_the_way(tmp_path: Path, megabyte: bytes) -> None:
    asked: list[int] = []
    disk = Disk(tmp_path, gives=True)

    class Watching(FileStore):
        def make_room(self, wanted: int) -> bool:
            asked.append(wanted)
            return super().make_room(wanted)

    store = Watching(tmp_path, room=disk.room)
    long = megabyte * 40
    with Coalescer(store).join(order_of(MemorySource(long))) as fill, Reader(fill) as reader:
        assert sum(map(len, reader)) == len(long)

    assert asked[0] == len(long)
    assert len(asked) == 3
    assert asked == sorted(asked, reverse=True)
