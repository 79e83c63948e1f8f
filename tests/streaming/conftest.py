from __future__ import annotations

import random
from pathlib import Path

import pytest

from cache.streaming.coalescer import Coalescer
from cache.streaming.store import FileStore


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path / "store")


@pytest.fixture
def coalescer(store: FileStore) -> Coalescer:
    return Coalescer(store)


@pytest.fixture(scope="session")
def megabyte() -> bytes:
    return random.Random(7).randbytes(1024 * 1024)
