"""What killed processes left goes at the start; what can be continued, or is in use, stays."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cache.oci.digest import Digest
from cache.streaming.store import FileStore
from cache.streaming.sweep import KEPT, sweep_locks
from tests.e2e.mirror import Mirror
from tests.e2e.processes import scratch
from tests.fakes.upstream import FakeUpstream

NOW = 1_800_000_000.0
BLOB = b"a blob of which a part is here"
NAME = f"sha256-{Digest.of(BLOB).hex}"


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path)


def _leave(store: FileStore, *suffixes: str, data: bytes = BLOB[:9], age: float = 60.0) -> None:
    """Files of a fill that was killed `age` seconds ago."""
    for suffix in suffixes:
        path = store.root / "parts" / f"{NAME}{suffix}"
        path.write_bytes(data)
        os.utime(path, (NOW - age, NOW - age))


def _left(store: FileStore) -> set[str]:
    return {path.name.removeprefix(NAME) for path in (store.root / "parts").iterdir()}


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """As a living process holds it."""
    with path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def test_a_part_that_can_be_continued_stays_with_its_facts(store: FileStore) -> None:
    _leave(store, ".part", ".json")

    assert store.sweep(NOW) == 0

    assert _left(store) == {".part", ".json"}


def test_drafts_go(store: FileStore) -> None:
    _leave(store, ".part", ".part.new", ".json.new")

    store.sweep(NOW)

    assert _left(store) == {".part"}


@pytest.mark.parametrize("suffix", [".json", ".json.new", ".part.new"])
def test_what_has_no_part_goes(store: FileStore, suffix: str) -> None:
    _leave(store, suffix)

    store.sweep(NOW)

    assert _left(store) == set()


def test_an_empty_part_goes(store: FileStore) -> None:
    _leave(store, ".part", ".json", data=b"")

    store.sweep(NOW)

    assert _left(store) == set()


def test_a_part_goes_that_nobody_has_continued(store: FileStore) -> None:
    _leave(store, ".part", ".json", age=KEPT + 60)

    assert store.sweep(NOW) == 1

    assert _left(store) == set()


def test_a_part_goes_whose_blob_is_held(store: FileStore) -> None:
    part = store.begin(Digest.of(BLOB))
    assert part is not None
    part.write(BLOB)
    store.commit(Digest.of(BLOB), part)
    part.close()
    _leave(store, ".part", ".json")

    store.sweep(NOW)

    assert _left(store) == set()
    assert store.stat(Digest.of(BLOB)) == len(BLOB)


def test_what_a_living_filler_has_stays_however_old(store: FileStore) -> None:
    everything = (".part", ".json", ".json.new", ".part.new")
    _leave(store, *everything, age=KEPT + 60)

    with _locked(store.root / "parts" / f"{NAME}.part"):
        store.sweep(NOW)

    assert _left(store) == set(everything)


def test_a_part_from_the_future_is_as_old_as_the_clock_that_was_set_back(store: FileStore) -> None:
    _leave(store, ".part", age=-365 * 86400.0)

    store.sweep(NOW)
    store.sweep(NOW + KEPT - 60)
    assert _left(store) == {".part"}
    store.sweep(NOW + KEPT + 60)

    assert _left(store) == set()


def test_files_of_other_names_are_left_alone(store: FileStore) -> None:
    (store.root / "parts" / "notes.part").write_bytes(b"")

    store.sweep(NOW)

    assert _left(store) == {"notes.part"}


def test_locks_go_that_nobody_holds(tmp_path: Path) -> None:
    held, left = tmp_path / "held.lock", tmp_path / "left.lock"
    held.touch()
    left.touch()

    with _locked(held):
        sweep_locks(tmp_path)

    assert list(tmp_path.iterdir()) == [held]


def test_a_start_sweeps() -> None:
    with scratch("swept") as home, FakeUpstream() as upstream:
        left = [home / "data" / "parts" / f"{NAME}.part", home / "data" / "locks" / "a.lock"]
        for path in left:
            path.parent.mkdir(parents=True)
            path.touch()

        with Mirror(home / "data", upstream.url):
            assert not any(path.exists() for path in left)
