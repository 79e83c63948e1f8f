"""A stop loses nothing: the next pass of the same kind goes on behind the last checked blob."""

from __future__ import annotations

import json

import pytest

from cache.oci.digest import Digest
from cache.scrub import Place, resumable, verify
from cache.streaming.blob_file import BlobFile
from cache.streaming.store import FileStore
from tests.scrub.bench import Bench


class _Counting(FileStore):
    """Remembers which blobs were opened; an interrupt comes at the one `stop_at`."""

    def __init__(self, bench: Bench) -> None:
        super().__init__(bench.store.root)
        self.opened: list[Digest] = []
        self.stop_at: Digest | None = None

    def open(self, digest: Digest) -> BlobFile | None:
        self.opened.append(digest)
        if digest == self.stop_at:
            raise KeyboardInterrupt
        return super().open(digest)


@pytest.fixture
def store(bench: Bench) -> _Counting:
    return _Counting(bench)


def _stopped(bench: Bench, store: _Counting, digests: list[Digest], at: int) -> None:
    """A pass that was stopped while it read blob number `at`."""
    store.stop_at = digests[at]
    with pytest.raises(KeyboardInterrupt):
        verify(bench.job(store=store), bench.place_file)
    store.stop_at = None
    store.opened.clear()


def test_blobs_come_in_the_order_of_their_digests(bench: Bench, store: _Counting) -> None:
    digests = [*bench.hold_many(300, 10), bench.hold(b"x", "sha512"), bench.hold(b"y", "sha512")]

    verify(bench.job(store=store), bench.place_file)

    assert store.opened == sorted(digests, key=str)


@pytest.mark.parametrize("at", [0, 1, 7, 19])
def test_nothing_is_read_twice_or_left_out(bench: Bench, store: _Counting, at: int) -> None:
    digests = bench.hold_many(20)
    _stopped(bench, store, digests, at)

    place = verify(bench.job(store=store), bench.place_file)

    assert store.opened == digests[at:]
    assert (place.blobs, place.size, place.is_finished) == (20, 20_000, True)


def test_findings_before_the_stop_count(bench: Bench, store: _Counting) -> None:
    digests = bench.hold_many(10)
    bench.path(digests[2]).write_bytes(b"wrong")
    _stopped(bench, store, digests, 5)

    assert verify(bench.job(store=store), bench.place_file).total_findings == 1
    assert bench.found() == [("damaged", str(digests[2]))], "and are not told again"


def test_progress_goes_on_too(bench: Bench, store: _Counting) -> None:
    digests = bench.hold_many(10)
    _stopped(bench, store, digests, 5)
    read: list[int] = []

    verify(bench.job(store=store, on_progress=read.append), bench.place_file)

    assert read == [6000, 7000, 8000, 9000, 10_000]


def test_a_kill_loses_little(bench: Bench, store: _Counting) -> None:
    # What a killed process has kept is what stands in the file while it runs.
    digests = bench.hold_many(40, 100_000)
    behind: list[float] = []

    def look(read: int) -> None:
        place = resumable(bench.place_file, repair=False)
        kept = 0 if place is None else place.size
        behind.append((read - kept) / 100_000)

    verify(bench.job(store=store, rate=1_000_000, on_progress=look), bench.place_file)

    assert len(digests) == 40
    assert max(behind) < 10, "a second's work"


def test_a_finished_pass_is_not_gone_on_with(bench: Bench, store: _Counting) -> None:
    bench.hold_many(3)
    verify(bench.job(store=store), bench.place_file)
    store.opened.clear()

    assert verify(bench.job(store=store), bench.place_file).blobs == 3
    assert len(store.opened) == 3


def test_a_restart_begins_anew(bench: Bench, store: _Counting) -> None:
    digests = bench.hold_many(3)
    _stopped(bench, store, digests, 1)

    assert verify(bench.job(store=store), bench.place_file, restart=True).blobs == 3
    assert len(store.opened) == 3


def test_a_repair_begins_anew_after_a_mere_look(bench: Bench, store: _Counting) -> None:
    digests = bench.hold_many(6)
    bench.path(digests[0]).write_bytes(b"wrong")
    _stopped(bench, store, digests, 3)

    verify(bench.job(store=store, repair=True), bench.place_file)

    assert store.opened == digests
    assert len(bench.quarantined()) == 1


def test_a_place_after_a_blob_that_has_gone(bench: Bench, store: _Counting) -> None:
    digests = bench.hold_many(6)
    _stopped(bench, store, digests, 3)
    bench.path(digests[2]).unlink()
    del bench.records.sizes[digests[2]]

    assert verify(bench.job(store=store), bench.place_file).total_findings == 0
    assert store.opened == digests[3:]


GOOD = Place(began=1.0, repair=False).facts()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        b"[]",
        b"null",
        b"{}",
        b"{" * 100_000,
        json.dumps(GOOD | {"after": "sha256:x"}).encode(),
        json.dumps(GOOD | {"findings": {"odd": 1}}).encode(),
        json.dumps(GOOD | {"findings": [1]}).encode(),
        json.dumps(GOOD | {"blobs": "many"}).encode(),
    ],
)
def test_a_place_that_cannot_be_understood_is_none(bench: Bench, content: bytes) -> None:
    bench.hold_many(3)
    bench.place_file.write_bytes(content)

    assert bench.scrub().blobs == 3


def test_a_place_that_cannot_be_kept_does_not_end_the_pass(bench: Bench) -> None:
    bench.hold_many(3)
    bench.place_file.with_name("scrub.json.new").mkdir()

    assert bench.scrub().blobs == 3
