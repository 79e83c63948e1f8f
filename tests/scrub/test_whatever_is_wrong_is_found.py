"""Each kind of damage is named by a pass; with repair, the next pass finds a sound store."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from cache.oci.digest import Digest
from cache.scrub import verify
from cache.streaming.blob_file import BlobFile
from cache.streaming.store import FileStore
from cache.streaming.sweep import KEPT
from tests.scrub.bench import NOW, Bench

DATA = bytes(range(256)) * 5000


def _flip(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(700_000)
        file.write(b"!")


def _extend(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
@pytest.mark.parametrize(
    ("damage", "detail"),
    [
        (_flip, "its bytes have another digest"),
        (lambda path: os.truncate(path, 1000), "it has 1000 bytes and had 1280000"),
        (lambda path: os.truncate(path, 0), "it has 0 bytes and had 1280000"),
        (_extend, "it has 1280004 bytes and had 1280000"),
    ],
)
def test_damaged_bytes(
    bench: Bench, damage: Callable[[Path], None], detail: str, algorithm: str
) -> None:
    digest = bench.hold(DATA, algorithm)
    sound = bench.hold(b"sound")
    damage(bench.path(digest))

    place = bench.scrub()

    assert bench.found() == [("damaged", str(digest))]
    assert (bench.findings[0].detail, bench.findings[0].is_repaired) == (detail, False)
    assert (place.blobs, place.total_findings) == (2, 1)
    assert bench.store.stat(digest) is not None, "without repair nothing is touched"
    assert bench.quarantined() == []

    bench.scrub(repair=True)

    assert bench.findings[0].is_repaired
    assert bench.store.stat(digest) is None
    assert bench.store.stat(sound) == 5
    assert bench.quarantined() == [f"{digest.algorithm}-{digest.hex}.1"]


def test_after_a_repair_all_is_well(bench: Bench) -> None:
    digest = bench.hold(DATA)
    _flip(bench.path(digest))

    bench.scrub(repair=True)

    assert bench.found() == [("damaged", str(digest))]
    assert bench.records.sizes == {}
    assert bench.scrub().total_findings == 0
    bench.hold(DATA)
    assert bench.scrub().total_findings == 0


def test_a_record_without_its_file(bench: Bench) -> None:
    digest = bench.hold(DATA)
    bench.path(digest).unlink()

    bench.scrub()
    assert bench.found() == [("missing", str(digest))]
    assert digest in bench.records.sizes

    bench.scrub(repair=True)
    assert digest not in bench.records.sizes


def test_a_sound_file_with_a_wrong_record_stays(bench: Bench) -> None:
    digest = bench.hold(DATA)
    bench.records.sizes[digest] = 5

    bench.scrub(repair=True)

    assert bench.found() == [("misrecorded", str(digest))]
    assert bench.records.sizes[digest] == len(DATA)
    assert bench.store.stat(digest) == len(DATA)


def test_a_sound_file_without_a_record_is_recorded(bench: Bench) -> None:
    digest = bench.hold(DATA, recorded=False)

    bench.scrub()
    assert bench.found() == [("unrecorded", str(digest))]
    assert bench.records.sizes == {}

    bench.scrub(repair=True)
    assert bench.records.sizes == {digest: len(DATA)}


def test_a_wrong_file_without_a_record_is_not_recorded(bench: Bench) -> None:
    digest = bench.hold(DATA, recorded=False)
    _flip(bench.path(digest))

    bench.scrub(repair=True)

    assert bench.found() == [("damaged", str(digest))]
    assert bench.records.sizes == {}


@pytest.mark.parametrize(
    "where",
    [
        "blobs/readme",
        "blobs/sha256/readme",
        "blobs/sha256/zz/readme",
        "blobs/sha256/ab/readme",
        f"blobs/sha256/ab/{'0' * 64}",
        f"blobs/sha256/ab/{'AB' * 32}",
        "blobs/md5/ab/abcd",
        "blobs/sha256/ab/line\nbreak \udcff",
    ],
)
def test_a_file_that_is_no_blob(bench: Bench, where: str) -> None:
    path = bench.store.root / where
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"hello")

    bench.scrub()
    assert [kind for kind, _ in bench.found()] == ["stranger"]
    assert where.startswith(bench.findings[0].name)
    assert "\n" not in str(bench.findings[0])
    assert str(bench.findings[0]).isascii()

    bench.scrub(repair=True)
    assert not path.exists()
    assert bench.quarantined() == ["stranger.1"]
    assert bench.scrub().total_findings == 0


def _as_folder(path: Path) -> None:
    path.mkdir()
    (path / "inside").write_bytes(b"x")


@pytest.mark.parametrize(
    "put", [_as_folder, lambda path: path.symlink_to("/etc/hostname"), os.mkfifo]
)
def test_something_else_in_a_blobs_place(bench: Bench, put: Callable[[Path], None]) -> None:
    digest = bench.hold(DATA)
    bench.path(digest).unlink()
    put(bench.path(digest))

    bench.scrub()

    assert ("stranger", str(bench.path(digest).relative_to(bench.store.root))) in bench.found()
    bench.scrub(repair=True)
    assert bench.scrub().total_findings == 0


def test_what_a_fill_left_long_ago(bench: Bench) -> None:
    old, young, worked_on = (Digest.of(data) for data in (b"old", b"young", b"worked on"))
    parts = bench.store.root / "parts"
    for digest in (old, young, worked_on):
        part = bench.store.begin(digest)
        assert part is not None
        part.write(b"some")
        if digest is not worked_on:
            part.close()
        age = KEPT - 60 if digest is young else KEPT + 60
        os.utime(part.path, (NOW.timestamp() - age,) * 2)
        if digest is worked_on:
            busy = part
    facts = parts / "sha256-alone.json"
    facts.write_text("{}")
    os.utime(facts, (NOW.timestamp() - KEPT - 60,) * 2)

    bench.scrub()
    expected = [f"parts/sha256-{old.hex}.part", "parts/sha256-alone.json"]
    assert sorted(bench.found()) == sorted(("leftover", name) for name in expected)

    bench.scrub(repair=True)
    busy.close()
    left = sorted(path.name for path in parts.iterdir())
    assert left == sorted(f"sha256-{digest.hex}.part" for digest in (young, worked_on))


class _Unreadable(BlobFile):
    def read(self, size: int | None = -1, /) -> bytes:  # noqa: ARG002
        raise OSError(errno.EIO, "Input/output error")


class _BadDisk(FileStore):
    """A store on a disk that has lost one blob's bytes, or says another error of it."""

    lost: Digest
    refused: int | None = None

    def open(self, digest: Digest) -> BlobFile | None:
        if digest != self.lost:
            return super().open(digest)
        if self.refused is not None:
            raise OSError(self.refused, os.strerror(self.refused))
        path = self.root / "blobs" / digest.algorithm / digest.hex[:2] / digest.hex
        return _Unreadable(os.open(path, os.O_RDONLY), len(DATA))


def test_bytes_that_the_disk_has_lost(bench: Bench) -> None:
    store = _BadDisk(bench.store.root)
    store.lost = bench.hold(DATA)

    verify(bench.job(store=store, repair=True), bench.place_file)

    assert bench.found()[0] == ("unreadable", str(store.lost))
    assert bench.findings[0].is_repaired
    assert len(bench.quarantined()) == 1


def test_bytes_that_we_may_not_read_stay(bench: Bench) -> None:
    store = _BadDisk(bench.store.root)
    store.lost, store.refused = bench.hold(DATA), errno.EACCES

    verify(bench.job(store=store, repair=True), bench.place_file)

    assert bench.found() == [("unreadable", str(store.lost))]
    assert not bench.findings[0].is_repaired
    assert bench.quarantined() == []


def test_an_error_that_says_nothing_of_the_blob_ends_the_pass(bench: Bench) -> None:
    store = _BadDisk(bench.store.root)
    store.lost, store.refused = bench.hold(DATA), errno.EMFILE

    with pytest.raises(OSError, match="open files"):
        verify(bench.job(store=store, repair=True), bench.place_file)

    assert bench.findings == []
