from __future__ import annotations

from pathlib import Path

import pytest

from cache.streaming.quarantine import Bounds
from cache.streaming.store import FileStore
from tests.scrub.bench import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A store, its records and a clock, to scrub."""
    return Bench(FileStore(tmp_path, Bounds(count=100, size=1024**3)))
