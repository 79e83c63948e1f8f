from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.upstream import FakeUpstream
from tests.retention.house import House, house_at


@pytest.fixture
def upstream() -> Iterator[FakeUpstream]:
    with FakeUpstream() as upstream:
        yield upstream


@pytest.fixture
def house(upstream: FakeUpstream, tmp_path: Path, transactional_db: None) -> Iterator[House]:
    """A mirror with nothing in it, and the default ttl of seven days."""
    with house_at(tmp_path / "root", upstream) as house:
        yield house
