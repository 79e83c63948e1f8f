"""What a kill leaves between the store and the database is put right by the next pull."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from cache.oci.digest import Digest
from tests.e2e.mirror import Mirror
from tests.e2e.processes import eventually, scratch
from tests.e2e.raw import Download
from tests.fakes.upstream import FakeUpstream

NAME = "healed"


@pytest.fixture(scope="module")
def upstream() -> Iterator[FakeUpstream]:
    with FakeUpstream() as upstream:
        yield upstream


@pytest.fixture(scope="module")
def mirror(upstream: FakeUpstream) -> Iterator[Mirror]:
    with scratch("healed") as home, Mirror(home / "data", upstream.url) as mirror:
        yield mirror


def _pull(mirror: Mirror, digest: Digest) -> None:
    with Download(mirror.address, NAME, digest) as download:
        assert download.read_all() == str(digest)


def _change(mirror: Mirror, query: str, digest: Digest) -> int:
    """Run a statement with the digest as its parameter; how many rows it gave or changed."""
    with closing(sqlite3.connect(mirror.root / "mirror.sqlite3", timeout=30)) as database:
        cursor = database.execute(query, (str(digest),))
        rows = len(cursor.fetchall()) if cursor.description else cursor.rowcount
        database.commit()
        return rows


def _is_recorded(mirror: Mirror, digest: Digest) -> bool:
    return _change(mirror, "SELECT 1 FROM cache_blob WHERE digest = ?", digest) == 1


def _held(mirror: Mirror, upstream: FakeUpstream, data: bytes) -> Digest:
    digest = upstream.add_blob(NAME, data)
    _pull(mirror, digest)
    eventually(lambda: _is_recorded(mirror, digest), "the fill is recorded")
    upstream.reset()
    return digest


def test_a_row_without_its_file(mirror: Mirror, upstream: FakeUpstream) -> None:
    digest = _held(mirror, upstream, b"the file goes")
    file = mirror.root / "blobs/sha256" / digest.hex[:2] / digest.hex
    file.unlink()

    _pull(mirror, digest)

    eventually(file.exists, "the blob is held again")
    assert upstream.count("GET", "/blobs/") == 1


def test_a_file_without_its_row(mirror: Mirror, upstream: FakeUpstream) -> None:
    digest = _held(mirror, upstream, b"the row goes")
    assert _change(mirror, "DELETE FROM cache_blob WHERE digest = ?", digest) == 1

    _pull(mirror, digest)

    assert _is_recorded(mirror, digest)
    assert upstream.requests == []


def test_a_file_of_which_nothing_is_known(mirror: Mirror, upstream: FakeUpstream) -> None:
    digest = _held(mirror, upstream, b"row and link go")
    for table in ("cache_blob", "cache_bloblink"):
        assert _change(mirror, f"DELETE FROM {table} WHERE digest = ?", digest) == 1  # noqa: S608

    _pull(mirror, digest)

    assert _is_recorded(mirror, digest)
    assert [seen.method for seen in upstream.requests] == ["HEAD"]
