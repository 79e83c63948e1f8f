from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cache import runtime
from cache.config import load
from cache.runtime import Runtime
from tests.fakes.upstream import FakeUpstream


@pytest.fixture
def upstream() -> Iterator[FakeUpstream]:
    with FakeUpstream() as upstream:
        yield upstream


@pytest.fixture
def mirror(upstream: FakeUpstream, tmp_path: Path, db: None) -> Iterator[Runtime]:
    """This process as a mirror of the fake upstream, with its own store."""
    environ = {
        "MIRROR_CONFIG": "/dev/null",
        "REGISTRY_PROXY_REMOTEURL": upstream.url,
        "REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY": str(tmp_path / "root"),
    }
    (tmp_path / "root").mkdir()
    with runtime.using(runtime.build(load(None, environ))) as built:
        yield built
        assert built.coalescer.drain(30)
        built.close()
