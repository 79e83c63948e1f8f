from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.metrics.scraping import Measured, measured


@pytest.fixture
def mirror() -> Iterator[Measured]:
    """A mirror that has counted nothing but its own start."""
    with measured() as found:
        yield found
