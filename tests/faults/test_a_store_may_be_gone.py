"""The store is taken away from a running mirror: a clear 503, and it heals by itself."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import httpx

from tests import database
from tests.e2e.mirror import WORKERS, Mirror
from tests.e2e.processes import eventually
from tests.fakes.plain import NO_AUTHORITY
from tests.fakes.upstream import FakeUpstream


def _get(mirror: Mirror, path: str) -> httpx.Response:
    return httpx.get(f"{mirror.url}/v2/{path}", timeout=60, trust_env=False, verify=NO_AUTHORITY)


def test_workers_that_find_no_store(tmp_path: Path) -> None:
    with FakeUpstream() as upstream, Mirror(tmp_path / "root", upstream.url) as mirror:
        upstream.add_image("a/b", "v1")
        blobs = mirror.root / "blobs"
        blobs.rmdir()
        blobs.write_bytes(b"")
        first = mirror.workers()
        for pid in first:
            os.kill(pid, signal.SIGKILL)
        eventually(
            lambda: len(set(mirror.workers()) - set(first)) == WORKERS, "new workers are there"
        )

        # Who may pull what cannot be told either.
        for path in ("?ns=docker.io", "a/b/manifests/v1?ns=docker.io"):
            refused = _get(mirror, path)
            assert refused.status_code == 503
            assert refused.json()["errors"][0]["code"] == "UNAVAILABLE"
        eventually(
            lambda: mirror.log.count("is not written down") >= WORKERS, "each has tried to write"
        )

        blobs.unlink()
        assert _get(mirror, "a/b/manifests/v1").status_code == 200
        recorded = _checked_at(mirror)

        def is_written_down() -> bool:
            assert _get(mirror, "a/b/manifests/v1").headers["X-Cache"] == "REVALIDATED"
            return _checked_at(mirror) > recorded

        eventually(is_written_down, "what pulls leave behind is written down again")


def _checked_at(mirror: Mirror) -> str:
    ((moment,),) = database.rows(mirror.root, "SELECT checked_at FROM cache_tag")
    return str(moment)
