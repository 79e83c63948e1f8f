from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from cache.logbook import Writer


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "logs"


@pytest.fixture
def log(folder: Path) -> Iterator[logging.Logger]:
    """A logger whose records go into the book, and nowhere else."""
    logger = logging.getLogger("cache.sample")
    writer = Writer(folder)
    logger.addHandler(writer)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    yield logger
    logger.propagate = True
    logger.setLevel(logging.NOTSET)
    logger.removeHandler(writer)
    writer.close()
