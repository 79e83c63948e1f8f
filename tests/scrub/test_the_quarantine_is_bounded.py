"""What is wrong is kept for the operator, the newest of it, and never fills the disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cache.oci.digest import Digest
from cache.streaming.quarantine import Bounds
from cache.streaming.store import FileStore

DIGEST = Digest.of(b"anything")


@pytest.fixture
def quarantine(tmp_path: Path) -> Path:
    return tmp_path / "quarantine"


def _spoil(store: FileStore, size: int, digest: Digest = DIGEST) -> bool:
    """Put a blob of so many wrong bytes in quarantine."""
    part = store.begin(digest)
    assert part is not None
    part.write(bytes(size))
    store.commit(digest, part)
    part.close()
    return store.quarantine(digest)


def test_one_digest_may_go_wrong_again(tmp_path: Path, quarantine: Path) -> None:
    store = FileStore(tmp_path)
    for size in range(12):
        assert _spoil(store, size)

    sizes = {path.name: path.stat().st_size for path in quarantine.iterdir()}
    assert sizes == {f"sha256-{DIGEST.hex}.{size + 1}": size for size in range(12)}


def test_what_is_not_held_cannot_be_put_there(tmp_path: Path, quarantine: Path) -> None:
    store = FileStore(tmp_path)

    assert not store.quarantine(DIGEST)
    assert list(quarantine.iterdir()) == []


@pytest.mark.parametrize(
    ("bounds", "kept"),
    [(Bounds(3, 1000), [4, 5, 6]), (Bounds(100, 11), [5, 6]), (Bounds(100, 5), [])],
)
def test_the_oldest_go_first(
    tmp_path: Path, quarantine: Path, bounds: Bounds, kept: list[int]
) -> None:
    store = FileStore(tmp_path, bounds)
    for size in range(1, 7):
        _spoil(store, size)

    assert sorted(path.stat().st_size for path in quarantine.iterdir()) == kept


def _as_folder(path: Path) -> None:
    (path / "a" / "b").mkdir(parents=True)
    (path / "a" / "b" / "c").write_bytes(bytes(100))


@pytest.mark.parametrize("put", [_as_folder, lambda path: path.symlink_to("/etc")])
def test_whatever_stood_in_a_blobs_place_can_go_again(
    tmp_path: Path, quarantine: Path, put: Callable[[Path], None]
) -> None:
    store = FileStore(tmp_path, Bounds(1, 100_000))
    path = tmp_path / "blobs" / "sha256" / DIGEST.hex[:2] / DIGEST.hex
    path.parent.mkdir(parents=True)
    put(path)

    assert store.open(DIGEST) is None
    assert [path.name for path in quarantine.iterdir()] == [f"sha256-{DIGEST.hex}.1"]
    _spoil(store, 7)

    assert [path.stat().st_size for path in quarantine.iterdir()] == [7]
    assert Path("/etc/hostname").exists()


def test_only_the_very_file_that_was_found_wrong_is_put_aside(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    _spoil(store, 5, Digest.of(b"other"))
    part = store.begin(DIGEST)
    assert part is not None
    store.commit(DIGEST, part)
    part.close()
    wrong = store.open(DIGEST)
    assert wrong is not None
    with wrong:
        assert _spoil_and_heal(store)

        assert not store.quarantine(DIGEST, wrong)

    assert store.stat(DIGEST) == 8


def _spoil_and_heal(store: FileStore) -> bool:
    moved = store.quarantine(DIGEST)
    part = store.begin(DIGEST)
    assert part is not None
    part.write(b"anything")
    store.commit(DIGEST, part)
    part.close()
    return moved
