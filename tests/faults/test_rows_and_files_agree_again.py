"""What a kill leaves between the store and the database is put right by the next pull."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cache.oci.digest import Digest
from tests import database
from tests.e2e.mirror import Mirror
from tests.e2e.processes import eventually, scratch
from tests.e2e.raw import Download
from tests.fakes.upstream import FakeUpstream

NAME = "healed"


@pytest.fixture(scope="module")
def mirror(upstream: FakeUpstream) -> Iterator[Mirror]:
    with scratch("healed") as home, Mirror(home / "data", upstream.url) as mirror:
        yield mirror


def _pull(mirror: Mirror, digest: Digest) -> None:
    with Download(mirror.address, NAME, digest) as download:
        assert download.read_all() == str(digest)


def _forget(mirror: Mirror, table: str, digest: Digest) -> None:
    statement = f"DELETE FROM {table} WHERE digest = ?"  # noqa: S608
    assert database.change(mirror.root, statement, str(digest)) == 1


def _is_recorded(mirror: Mirror, digest: Digest) -> bool:
    query = "SELECT 1 FROM cache_blob WHERE digest = ?"
    return len(database.rows(mirror.root, query, str(digest))) == 1


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
    _forget(mirror, "cache_blob", digest)

    _pull(mirror, digest)

    assert _is_recorded(mirror, digest)
    assert upstream.requests == []


def test_a_file_of_which_nothing_is_known(mirror: Mirror, upstream: FakeUpstream) -> None:
    digest = _held(mirror, upstream, b"row and link go")
    for table in ("cache_blob", "cache_bloblink"):
        _forget(mirror, table, digest)

    _pull(mirror, digest)

    assert _is_recorded(mirror, digest)
    assert [seen.method for seen in upstream.requests] == ["HEAD"]
