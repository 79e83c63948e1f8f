from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.upstream import FakeUpstream
from tests.warm.commands import Warm


@pytest.fixture
def upstream() -> Iterator[FakeUpstream]:
    with FakeUpstream() as upstream:
        yield upstream


@pytest.fixture
def warm(upstream: FakeUpstream, tmp_path: Path) -> Warm:
    """The command, with a store that does not exist yet."""
    return Warm(tmp_path / "root", upstream.url)
