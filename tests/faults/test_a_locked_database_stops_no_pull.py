"""Another process locks the SQLite database for long: pulls go on, and are recorded later."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import pytest

from mirrorsite.settings import DATABASE_PATIENCE
from tests.e2e.mirror import Mirror
from tests.e2e.processes import eventually, scratch
from tests.e2e.raw import Download
from tests.fakes.faults import Fault, Gate
from tests.fakes.plain import NO_AUTHORITY
from tests.fakes.upstream import FakeUpstream

pytestmark = pytest.mark.one_database

NAME = "locked/image"
LAYER = bytes(300_000)

#: A pull that has something to note waits for the lock once, and for nothing else here.
ONE_WAIT = DATABASE_PATIENCE * 1.6


@pytest.fixture(scope="module")
def shared_upstream() -> Iterator[FakeUpstream]:
    with FakeUpstream() as upstream:
        yield upstream


@pytest.fixture
def upstream(shared_upstream: FakeUpstream) -> FakeUpstream:
    shared_upstream.behave()
    shared_upstream.reset()
    return shared_upstream


@pytest.fixture(scope="module")
def mirror(shared_upstream: FakeUpstream) -> Iterator[Mirror]:
    with scratch("locked") as home, Mirror(home / "data", shared_upstream.url) as mirror:
        yield mirror


@contextmanager
def _locked(mirror: Mirror) -> Iterator[None]:
    """As while another program vacuums it: nobody else can write."""
    with closing(_open(mirror.root)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.rollback()


def _open(root: Path) -> sqlite3.Connection:
    return sqlite3.connect(root / "mirror.sqlite3", timeout=30, isolation_level=None)


def _rows(mirror: Mirror, table: str, digest: object) -> int:
    with closing(_open(mirror.root)) as database:
        query = f"SELECT count(*) FROM {table} WHERE digest = ?"  # noqa: S608 - our own names
        count: int = database.execute(query, (str(digest),)).fetchone()[0]
        return count


def _get(mirror: Mirror, path: str) -> httpx.Response:
    url = f"{mirror.url}/v2/{NAME}/{path}"
    answer = httpx.get(
        url, headers={"Accept": "*/*"}, timeout=30, trust_env=False, verify=NO_AUTHORITY
    )
    assert answer.status_code == 200, answer.text
    return answer


def test_a_warm_pull_waits_for_nothing(mirror: Mirror, upstream: FakeUpstream) -> None:
    image = upstream.add_image(NAME, "warm", [LAYER])
    paths = ("manifests/warm", f"manifests/{image.digest}", f"blobs/{image.layer_digests[0]}")
    for path in paths:
        _get(mirror, path)
    eventually(
        lambda: _rows(mirror, "cache_blob", image.layer_digests[0]) == 1, "the fill is recorded"
    )

    with _locked(mirror):
        begun = time.monotonic()
        kinds = [_get(mirror, path).headers["X-Cache"] for path in paths]
        took = time.monotonic() - begun

    assert kinds == ["REVALIDATED", "HIT", "HIT"]
    assert took < DATABASE_PATIENCE / 2


def test_the_time_of_a_check_is_not_worth_a_wait(mirror: Mirror, upstream: FakeUpstream) -> None:
    upstream.add_image(NAME, "checked", [LAYER])
    _get(mirror, "manifests/checked")
    with closing(_open(mirror.root)) as database:
        database.execute("UPDATE cache_tag SET checked_at = '2020-01-01' WHERE name = 'checked'")

    with _locked(mirror):
        begun = time.monotonic()
        answer = _get(mirror, "manifests/checked")
        took = time.monotonic() - begun

    assert answer.headers["X-Cache"] == "REVALIDATED"
    assert took < DATABASE_PATIENCE / 2


def test_a_new_image_is_served_and_recorded_by_a_later_pull(
    mirror: Mirror, upstream: FakeUpstream
) -> None:
    image = upstream.add_image(NAME, "cold", [LAYER, b"another"])
    with _locked(mirror):
        begun = time.monotonic()
        assert _get(mirror, "manifests/cold").content == image.manifest
        took = time.monotonic() - begun
    assert took < ONE_WAIT

    assert _get(mirror, "manifests/cold").headers["X-Cache"] == "MISS"
    assert _get(mirror, "manifests/cold").headers["X-Cache"] == "REVALIDATED"


def test_a_manifest_of_another_repository_is_not_fetched_again(
    mirror: Mirror, upstream: FakeUpstream
) -> None:
    image = upstream.add_image("locked/other", "shared", [b"shared"])
    upstream.put_image(NAME, image)
    httpx.get(
        f"{mirror.url}/v2/locked/other/manifests/{image.digest}",
        trust_env=False,
        verify=NO_AUTHORITY,
    )
    upstream.reset()

    with _locked(mirror):
        assert _get(mirror, f"manifests/{image.digest}").content == image.manifest

    assert [seen.method for seen in upstream.requests] == ["HEAD"]


def test_a_fill_under_way_is_committed_and_recorded_by_a_later_pull(
    mirror: Mirror, upstream: FakeUpstream
) -> None:
    data = LAYER + b"under way"
    digest = upstream.add_blob(NAME, data)
    gate = Gate()
    upstream.misbehave(Fault(stall=gate, stall_at=200_000), method="GET", path="/blobs/")
    blob = mirror.root / "blobs/sha256" / digest.hex[:2] / digest.hex
    with Download(mirror.address, NAME, digest) as download:
        download.read(100_000)
        with _locked(mirror):
            gate.open()
            assert download.read_all() == str(digest)
            eventually(blob.exists, "the blob is committed")
            assert _get(mirror, f"blobs/{digest}").content == data
    assert _rows(mirror, "cache_blob", digest) == 0
    assert "The database did not take a note" in mirror.log

    assert _get(mirror, f"blobs/{digest}").content == data

    assert _rows(mirror, "cache_blob", digest) == _rows(mirror, "cache_bloblink", digest) == 1
    assert upstream.count("GET", "/blobs/") == 1


def test_a_probe_says_that_nothing_is_recorded(mirror: Mirror, upstream: FakeUpstream) -> None:
    upstream.add_image(NAME, "probed", [LAYER])
    # One connection is one worker, and each finds out for itself.
    with httpx.Client(
        base_url=mirror.url, trust_env=False, verify=NO_AUTHORITY, timeout=30
    ) as client:

        def database() -> dict[str, str]:
            ready = client.get("/readyz")
            assert ready.status_code == 200
            found: dict[str, str] = ready.json()["checks"]["database"]
            return found

        with _locked(mirror):
            assert client.get(f"/v2/{NAME}/manifests/probed").status_code == 200
            eventually(lambda: database()["status"] == "degraded", "it is noticed")
            assert "takes no records" in database()["detail"]

        eventually(lambda: database()["status"] == "ok", "what was put off is recorded")
