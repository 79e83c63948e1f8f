"""`/readyz` and `/healthz` of a running mirror, while one part after another fails."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from cache.oci.digest import Digest
from tests.e2e.mirror import Mirror
from tests.e2e.parts import require_root
from tests.e2e.processes import eventually, scratch
from tests.fakes.plain import NO_AUTHORITY
from tests.fakes.upstream import FakeUpstream
from tests.faults.postgres import Postgres

OK = {"status": "ok"}


@pytest.fixture(scope="module")
def upstream() -> Iterator[FakeUpstream]:
    with FakeUpstream() as upstream:
        yield upstream


@contextmanager
def _disk(folder: Path) -> Iterator[None]:
    """A small disk of the test's own, mounted there."""
    require_root()
    folder.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def mirror(upstream: FakeUpstream, tmp_path: Path) -> Iterator[Mirror]:
    with _disk(tmp_path / "root/parts"), Mirror(tmp_path / "root", upstream.url) as mirror:
        yield mirror


def _get(mirror: Mirror, path: str) -> httpx.Response:
    return httpx.get(f"{mirror.url}{path}", trust_env=False, verify=NO_AUTHORITY, timeout=30)


def _is_found(mirror: Mirror, status: int, part: str, detail: str) -> bool:
    """Whether a probe says so; what was found a second ago still counts."""
    answer = _get(mirror, "/readyz")
    return answer.status_code == status and detail in answer.json()["checks"][part].get(
        "detail", ""
    )


def test_all_is_well_and_nobody_is_asked(mirror: Mirror, upstream: FakeUpstream) -> None:
    upstream.reset()

    ready, alive = _get(mirror, "/readyz"), _get(mirror, "/healthz")

    assert (ready.status_code, alive.status_code) == (200, 200)
    assert ready.json() == {
        "status": "ok",
        "checks": {
            "database": OK,
            "store": OK,
            f"upstream {upstream.host}:{upstream.port}": OK,
        },
    }
    assert alive.json() == OK
    assert ready.headers["Cache-Control"] == "no-store"
    assert upstream.count() == 0


def test_a_probe_may_be_a_head_and_changes_nothing(mirror: Mirror) -> None:
    for path in ("/readyz", "/healthz"):
        answer = httpx.head(f"{mirror.url}{path}", trust_env=False, verify=NO_AUTHORITY)
        assert (answer.status_code, answer.content) == (200, b"")
        assert (
            httpx.post(f"{mirror.url}{path}", trust_env=False, verify=NO_AUTHORITY).status_code
            == 405
        )
    assert list((mirror.root / "parts").iterdir()) == []


def test_a_full_disk_is_degraded_and_served_past(mirror: Mirror) -> None:
    filler = mirror.root / "parts/filler"
    with pytest.raises(OSError, match="No space left"):
        filler.write_bytes(bytes(16 * 1024**2))

    eventually(lambda: _is_found(mirror, 200, "store", "the disk is full"), "it is noticed")
    assert _get(mirror, "/readyz").json()["status"] == "degraded"
    filler.unlink()
    eventually(lambda: _get(mirror, "/readyz").json()["status"] == "ok", "it is well again")


def test_a_disk_with_less_free_than_is_to_stay_so_is_degraded(
    upstream: FakeUpstream, tmp_path: Path
) -> None:
    root = tmp_path / "root"
    with _disk(root):
        (root / "somebodys").write_bytes(bytes(2 * 1024**2))
        with Mirror(root, upstream.url, REGISTRY_RETENTION_MIN_FREE="90%") as mirror:
            said = "retention.min_free: nothing new is kept"
            eventually(lambda: _is_found(mirror, 200, "store", said), "it is noticed")
            assert _get(mirror, "/readyz").json()["status"] == "degraded"


def test_a_store_that_cannot_be_written_is_down(mirror: Mirror) -> None:
    parts = str(mirror.root / "parts")
    subprocess.run(["mount", "-o", "remount,ro", parts], check=True)

    eventually(lambda: _is_found(mirror, 503, "store", "Read-only file system"), "it is noticed")
    assert _get(mirror, "/healthz").status_code == 200
    assert "Not ready to serve, store: it cannot be written to: Read-only" in mirror.log
    subprocess.run(["mount", "-o", "remount,rw", parts], check=True)
    eventually(lambda: _get(mirror, "/readyz").json()["status"] == "ok", "it is well again")


def test_an_upstream_that_does_not_answer_is_degraded(tmp_path: Path) -> None:
    with FakeUpstream() as upstream, Mirror(tmp_path / "root", upstream.url) as mirror:
        upstream.stop()
        # One connection is one worker, and each finds out for itself.
        with httpx.Client(
            base_url=mirror.url, trust_env=False, verify=NO_AUTHORITY, timeout=30
        ) as client:
            for number in range(3):
                absent = Digest.of(b"%d" % number)
                assert client.get(f"/v2/library/thing/blobs/{absent}").status_code == 502
            eventually(
                lambda: client.get("/readyz").json()["status"] == "degraded", "it is noticed"
            )
            found = client.get("/readyz")

            assert found.status_code == 200
            assert (
                "does not answer"
                in found.json()["checks"][f"upstream {upstream.host}:{upstream.port}"]["detail"]
            )
            upstream.start()
            eventually(lambda: client.get("/readyz").json()["status"] == "ok", "it is back")


def test_a_database_that_does_not_answer_is_down(upstream: FakeUpstream) -> None:
    with (
        scratch("postgres") as home,
        Postgres(home) as postgres,
        scratch("mirror") as folder,
        Mirror(folder / "root", upstream.url, DATABASE_URL=postgres.url) as mirror,
    ):
        assert _get(mirror, "/readyz").status_code == 200
        postgres.stop()

        eventually(lambda: _is_found(mirror, 503, "database", "does not answer"), "it is noticed")
        assert "127.0.0.1" not in str(_get(mirror, "/readyz").json()["checks"]["database"])
        assert _get(mirror, "/healthz").status_code == 200
        postgres.start()
        eventually(lambda: _get(mirror, "/readyz").status_code == 200, "it is back")
