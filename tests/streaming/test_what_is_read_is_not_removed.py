"""A blob that somebody has open, or has just brought, is not removed; an open file stays whole."""

from __future__ import annotations

import errno
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from cache.oci.digest import Digest
from cache.streaming.coalescer import Coalescer
from cache.streaming.reader import Reader
from cache.streaming.store import FileStore
from tests.e2e.processes import eventually
from tests.streaming.sources import MemorySource, order_of

DATA = b"some bytes"
DIGEST = Digest.of(DATA)


def _hold(store: FileStore, data: bytes = DATA) -> Digest:
    digest = Digest.of(data)
    part = store.begin(digest)
    assert part is not None
    part.write(data)
    store.commit(digest, part)
    part.close()
    return digest


def test_a_blob_at_rest_is_removed(store: FileStore) -> None:
    digest = _hold(store)

    assert not store.is_read(digest)
    assert store.remove_unread(digest)
    assert store.stat(digest) is None
    assert store.remove_unread(digest), "it is not held any more"


def test_an_open_one_is_spared_until_it_is_closed(store: FileStore) -> None:
    digest = _hold(store)
    opened = store.open(digest)
    assert opened is not None
    with opened:
        assert store.is_read(digest)
        assert not store.remove_unread(digest)
        assert store.stat(digest) == len(DATA)
    assert store.remove_unread(digest)


def test_two_read_at_once(store: FileStore) -> None:
    digest = _hold(store)
    one, two = store.open(digest), store.open(digest)
    assert one is not None
    assert two is not None
    one.close()
    assert not store.remove_unread(digest)
    two.close()
    assert store.remove_unread(digest)


def test_what_an_operator_removes_is_read_to_its_end_all_the_same(store: FileStore) -> None:
    digest = _hold(store)
    opened = store.open(digest)
    assert opened is not None
    with opened:
        assert store.delete(digest)
        assert opened.read() == DATA
    assert store.open(digest) is None


@pytest.mark.parametrize("is_shared", [False, True])
def test_what_is_removed_just_before_it_is_marked_is_not_open(
    store: FileStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_shared: bool
) -> None:
    digest = _hold(store)
    if is_shared:
        (blob,) = store.root.glob(f"blobs/*/*/{digest.hex}")
        (tmp_path / "another name").hardlink_to(blob)
    monkeypatch.setattr("cache.streaming.store.mark_read", lambda _fd: store.delete(digest))

    assert store.open(digest) is None


def test_a_file_system_that_fails_leaves_no_file_open(
    store: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = _hold(store)

    def fail(*_: object) -> bool:
        raise OSError(errno.ESTALE, "Stale file handle")

    with monkeypatch.context() as patched:
        patched.setattr("cache.streaming.store.is_named", fail)
        with pytest.raises(OSError, match="Stale") as caught:
            store.open(digest)
    assert store.remove_unread(digest), caught


def test_a_file_system_that_numbers_files_anew_is_not_asked_for_ever(
    store: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = _hold(store)
    monkeypatch.setattr("cache.streaming.store.is_named", lambda *_: False)
    with pytest.raises(OSError, match="Stale"):
        store.open(digest)


READ = """
import sys
from pathlib import Path
from cache.oci.digest import Digest
from cache.streaming.store import FileStore
with FileStore(Path(sys.argv[1])).open(Digest.parse(sys.argv[2])):
    print("open", flush=True)
    sys.stdin.read()
"""


def test_another_processs_reading_counts_and_ends_with_it(store: FileStore) -> None:
    digest = _hold(store)
    with subprocess.Popen(
        [sys.executable, "-c", READ, str(store.root), str(digest)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"open\n"
        assert not store.remove_unread(digest)
        other.kill()
    assert store.remove_unread(digest)


def test_a_fill_counts_from_its_first_byte_to_its_last_reader(
    store: FileStore, coalescer: Coalescer, megabyte: bytes
) -> None:
    recording, recorded = threading.Event(), threading.Event()

    def record(_size: int, _origin: str | None) -> None:
        recording.set()
        assert recorded.wait(30)

    source = MemorySource(megabyte, hold_at=500_000)
    digest = Digest.of(megabyte)
    with coalescer.join(order_of(source, on_commit=record)) as fill:
        reader = Reader(fill)
    assert source.held.wait(30)
    assert store.filling() == {digest}

    source.release.set()
    assert recording.wait(30)
    assert store.filling() == set()
    assert not store.remove_unread(digest), "it is not recorded yet"
    recorded.set()
    assert coalescer.drain(30)
    assert not store.remove_unread(digest), "it is still read"
    with reader:
        assert b"".join(reader) == megabyte
    eventually(lambda: store.remove_unread(digest), "nobody reads it any more")


def test_who_opens_while_it_is_removed_has_the_whole_or_nothing(store: FileStore) -> None:
    over = threading.Event()
    found: list[bytes] = []

    def read() -> None:
        while not over.wait(0.001):
            opened = store.open(DIGEST)
            if opened is not None:
                with opened:
                    assert store.stat(DIGEST) is not None, "it is held as long as it is open"
                    found.append(opened.read())

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for _ in range(300):
        _hold(store)
        while not store.remove_unread(DIGEST):
            over.wait(0.0005)
    over.set()
    for reader in readers:
        reader.join(30)
    assert set(found) <= {DATA}
    assert found


@pytest.mark.parametrize("kind", ["link", "folder"])
def test_what_is_no_file_is_read_by_nobody(store: FileStore, kind: str) -> None:
    digest = _hold(store)
    path = next(store.root.glob("blobs/*/*/*"))
    path.unlink()
    if kind == "link":
        path.symlink_to("/etc/hostname")
        assert store.remove_unread(digest)
        assert not path.is_symlink()
        return
    path.mkdir()
    assert not store.is_read(digest)
