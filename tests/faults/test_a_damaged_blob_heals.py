"""A blob file that was damaged or deleted behind our back is noticed, put aside, fetched again."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from cache.oci.digest import Digest
from tests import database
from tests.e2e.mirror import Mirror
from tests.e2e.processes import eventually
from tests.e2e.raw import Download
from tests.fakes.plain import NO_AUTHORITY
from tests.fakes.upstream import FakeUpstream

NAME = "library/damaged"
SIZE = 400_000
MIB = 1024 * 1024


@pytest.fixture(scope="module")
def mirror(upstream: FakeUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mirror]:
    root = tmp_path_factory.mktemp("damaged") / "root"
    with Mirror(root, upstream.url, REGISTRY_STORAGE_SCRUB_INTERVAL="0") as running:
        yield running


@pytest.fixture(scope="module")
def client(mirror: Mirror) -> Iterator[httpx.Client]:
    # A connection for each request: the mirror ends one if the file is cut before it has noticed
    # that all was sent.
    with httpx.Client(
        base_url=f"{mirror.url}/v2",
        timeout=30,
        trust_env=False,
        verify=NO_AUTHORITY,
        limits=httpx.Limits(max_keepalive_connections=0),
    ) as client:
        yield client


def _path(mirror: Mirror, digest: Digest) -> Path:
    return mirror.root / "blobs" / digest.algorithm / digest.hex[:2] / digest.hex


def _warm(client: httpx.Client, upstream: FakeUpstream, seed: str, size: int = SIZE) -> Digest:
    """A blob that is held and recorded: a pull of it asks upstream nothing."""
    digest = upstream.add_blob(NAME, random.Random(seed).randbytes(size))
    client.get(f"/{NAME}/blobs/{digest}").raise_for_status()
    eventually(lambda: _outcome(client, digest) == "HIT", "the blob is held")
    eventually(lambda: _is_recorded(client, digest), "the blob is recorded")
    upstream.reset()
    return digest


def _outcome(client: httpx.Client, digest: Digest) -> str:
    return client.get(f"/{NAME}/blobs/{digest}").headers["X-Cache"]


def _is_recorded(client: httpx.Client, digest: Digest) -> bool:
    # A held blob that is not recorded yet is so by its first pull: the second one finds it.
    return all(_outcome(client, digest) == "HIT" for _ in range(2))


def _quarantined(mirror: Mirror, digest: Digest) -> int:
    return len(list((mirror.root / "quarantine").glob(f"sha256-{digest.hex}.*")))


def _errors(mirror: Mirror, digest: Digest) -> list[str]:
    """What the operator was told of this blob."""
    lines = (mirror.root.parent / "mirror.log").read_text().splitlines()
    return [line for line in lines if str(digest) in line and "level=error" in line]


def _extend(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


def _as_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "inside").write_bytes(b"x")


def _as_link(path: Path) -> None:
    other = path.with_name("elsewhere")
    path.rename(other)
    path.symlink_to(other)


def _as_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


DAMAGES: list[Callable[[Path], None]] = [
    lambda path: os.truncate(path, SIZE - 1),
    lambda path: os.truncate(path, 0),
    _extend,
    _as_folder,
    _as_link,
    _as_pipe,
]


@pytest.mark.parametrize("number", range(len(DAMAGES)))
def test_a_pull_heals_it(
    client: httpx.Client, upstream: FakeUpstream, mirror: Mirror, number: int
) -> None:
    digest = _warm(client, upstream, f"healed {number}")
    DAMAGES[number](_path(mirror, digest))

    healed = client.get(f"/{NAME}/blobs/{digest}")

    assert Digest.of(healed.content) == digest
    assert healed.headers["X-Cache"] == "MISS"
    assert upstream.count("GET", str(digest)) == 1
    assert _quarantined(mirror, digest) == 1
    assert len(_errors(mirror, digest)) == 1
    eventually(lambda: _outcome(client, digest) == "HIT", "the blob is held again")
    assert upstream.count("GET", str(digest)) == 1


def test_a_deleted_file_is_fetched_again(
    client: httpx.Client, upstream: FakeUpstream, mirror: Mirror
) -> None:
    digest = _warm(client, upstream, "deleted")
    _path(mirror, digest).unlink()

    assert Digest.of(client.get(f"/{NAME}/blobs/{digest}").content) == digest

    assert upstream.count("GET", str(digest)) == 1
    eventually(lambda: _outcome(client, digest) == "HIT", "the blob is held again")
    assert _quarantined(mirror, digest) == 0


def test_the_error_names_both_sizes(
    client: httpx.Client, upstream: FakeUpstream, mirror: Mirror
) -> None:
    digest = _warm(client, upstream, "both sizes")
    os.truncate(_path(mirror, digest), 1234)

    client.get(f"/{NAME}/blobs/{digest}")

    (line,) = _errors(mirror, digest)
    assert "1234 bytes" in line
    assert str(SIZE) in line


def test_a_head_tells_the_blobs_size_and_not_the_damaged_files(
    client: httpx.Client, upstream: FakeUpstream, mirror: Mirror
) -> None:
    digest = _warm(client, upstream, "head")
    os.truncate(_path(mirror, digest), 1234)

    assert client.head(f"/{NAME}/blobs/{digest}").headers["Content-Length"] == str(SIZE)


def test_a_range_of_it_is_of_the_right_bytes(
    client: httpx.Client, upstream: FakeUpstream, mirror: Mirror
) -> None:
    digest = _warm(client, upstream, "range")
    os.truncate(_path(mirror, digest), 1234)

    part = client.get(f"/{NAME}/blobs/{digest}", headers={"Range": "bytes=1000-1999"})

    assert part.status_code == 206
    assert part.content == random.Random("range").randbytes(SIZE)[1000:2000]


def test_a_wrong_record_does_not_refuse_the_blob_for_ever(
    client: httpx.Client, upstream: FakeUpstream, mirror: Mirror
) -> None:
    digest = _warm(client, upstream, "wrong record")
    database.change(mirror.root, "UPDATE cache_blob SET size = 5 WHERE digest = ?", str(digest))
    # What the processes have read is worth nothing any more.
    mirror.manage("visibility", "set", "public", "library/another")

    assert _outcome(client, digest) == "MISS"

    # A pull that comes between the commit and its record refuses it once more.
    eventually(lambda: _is_recorded(client, digest), "the record is put right")
    upstream.reset()
    assert _outcome(client, digest) == "HIT"
    assert upstream.seen() == []


def test_a_crowd_that_meets_the_damage_at_once_causes_one_transfer(
    client: httpx.Client, upstream: FakeUpstream, mirror: Mirror
) -> None:
    digest = _warm(client, upstream, "crowd")
    os.truncate(_path(mirror, digest), 1234)

    def pull(_number: int) -> str:
        with Download(mirror.address, NAME, digest) as download:
            return download.read_all()

    with ThreadPoolExecutor(40) as pool:
        received = list(pool.map(pull, range(200)))

    assert set(received) == {str(digest)}
    assert upstream.count("GET", str(digest)) == 1
    assert _quarantined(mirror, digest) == 1


def test_another_repository_does_not_get_it_either(
    client: httpx.Client, upstream: FakeUpstream, mirror: Mirror
) -> None:
    digest = _warm(client, upstream, "another")
    upstream.add_blob("library/other", random.Random("another").randbytes(SIZE))
    os.truncate(_path(mirror, digest), 1234)

    assert Digest.of(client.get(f"/library/other/blobs/{digest}").content) == digest


def test_without_upstream_it_is_an_honest_error(
    upstream: FakeUpstream, client: httpx.Client, mirror: Mirror
) -> None:
    digest = _warm(client, upstream, "no upstream")
    os.truncate(_path(mirror, digest), 1234)
    upstream.stop()
    try:
        refused = client.get(f"/{NAME}/blobs/{digest}")
    finally:
        upstream.start()

    assert refused.status_code in (502, 503, 504)


@pytest.mark.parametrize("is_range", [False, True])
def test_a_file_that_is_cut_while_it_is_sent_ends_the_connection(
    client: httpx.Client, upstream: FakeUpstream, mirror: Mirror, is_range: bool
) -> None:
    size = 64 * MIB
    digest = _warm(client, upstream, f"cut {is_range}", size)
    headers = {"Range": f"bytes=1000-{size - 1000}"} if is_range else {}
    received = 0

    with client.stream("GET", f"/{NAME}/blobs/{digest}", headers=headers) as answer:
        # Nobody reads on now: what is on its way is less than the half that is cut off.
        os.truncate(_path(mirror, digest), size // 2)
        with suppress(httpx.RemoteProtocolError, httpx.ReadError):
            for chunk in answer.iter_raw():
                received += len(chunk)

    assert received <= size // 2
    assert Digest.of(client.get(f"/{NAME}/blobs/{digest}").content) == digest


def test_damage_that_leaves_the_size_is_for_the_scrub_which_is_off_here(
    client: httpx.Client, upstream: FakeUpstream, mirror: Mirror
) -> None:
    digest = _warm(client, upstream, "flipped")
    with _path(mirror, digest).open("r+b") as file:
        file.write(b"!")

    # Clients verify what they get, so they refuse it.
    assert Digest.of(client.get(f"/{NAME}/blobs/{digest}").content) != digest
    assert not (mirror.root / "scrub.json").exists()
    assert not (mirror.root / "locks" / "scrub.lock").exists()
