"""A full disk, a read-only or forbidden store, no file descriptors: pulls stream past the store."""

from __future__ import annotations

import random
import resource
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from cache.oci.digest import Digest
from tests.e2e.mirror import Mirror
from tests.e2e.mounts import mounted
from tests.e2e.parts import require_root
from tests.e2e.processes import eventually
from tests.fakes.faults import Fault
from tests.fakes.plain import NO_AUTHORITY
from tests.fakes.upstream import FakeUpstream

NAME = "library/thing"
BIG = random.Random(1).randbytes(20 * 1024 * 1024)
ROOM = "8m"


@pytest.fixture
def upstream() -> Iterator[FakeUpstream]:
    with FakeUpstream() as upstream:
        yield upstream


@pytest.fixture
def small_disk(tmp_path: Path, upstream: FakeUpstream) -> Iterator[Mirror]:
    """A mirror whose store has less room than `BIG` needs."""
    require_root()
    root = tmp_path / "root"
    with (
        mounted(root, "-t", "tmpfs", "-o", f"size={ROOM}", "tmpfs"),
        Mirror(root, upstream.url) as mirror,
    ):
        yield mirror


@pytest.fixture
def sealed_store(tmp_path: Path, upstream: FakeUpstream) -> Iterator[Mirror]:
    """A mirror whose folders for blobs and parts cannot be written to."""
    require_root()
    root = tmp_path / "root"
    parts, blobs = root / "parts", root / "blobs"
    with (
        mounted(parts, "-t", "tmpfs", "-o", "size=1m", "tmpfs"),
        mounted(blobs, "-t", "tmpfs", "-o", "size=1m", "tmpfs"),
        Mirror(root, upstream.url) as mirror,
    ):
        for folder in (parts, blobs):
            subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
        yield mirror


def _get(mirror: Mirror, digest: Digest, **headers: str) -> httpx.Response:
    return httpx.get(
        f"{mirror.url}/v2/{NAME}/blobs/{digest}",
        headers=headers,
        timeout=60,
        trust_env=False,
        verify=NO_AUTHORITY,
    )


def _files(mirror: Mirror) -> list[str]:
    return [path.name for path in mirror.root.glob("blobs/*/*/*")]


def test_a_full_disk(small_disk: Mirror, upstream: FakeUpstream) -> None:
    big, small = upstream.add_blob(NAME, BIG), upstream.add_blob(NAME, BIG[:100_000])

    with ThreadPoolExecutor(6) as pool:
        pulls = [pool.submit(_get, small_disk, big) for _ in range(6)]
        assert all(pull.result().content == BIG for pull in pulls)

    eventually(lambda: list((small_disk.root / "parts").iterdir()) == [], "the room is free again")
    assert _files(small_disk) == []
    assert "No space left" in small_disk.log
    assert _get(small_disk, small).content == BIG[:100_000]
    eventually(lambda: _files(small_disk) == [small.hex], "what fits is kept")


def test_a_full_disk_and_wrong_bytes(small_disk: Mirror, upstream: FakeUpstream) -> None:
    big = upstream.add_blob(NAME, BIG)
    upstream.misbehave(Fault(wrong_byte_at=5), method="GET", path=str(big))
    with pytest.raises(httpx.HTTPError):
        _get(small_disk, big)


def test_a_full_disk_and_a_cut_transfer(small_disk: Mirror, upstream: FakeUpstream) -> None:
    big = upstream.add_blob(NAME, BIG)
    upstream.misbehave(Fault(cut_after=12_000_000), method="GET", path=str(big), times=3)
    assert _get(small_disk, big).content == BIG


@pytest.mark.parametrize("asked", ["100-2000", "15000000-", "15000000-15000099"])
def test_a_range_of_what_does_not_fit(
    small_disk: Mirror, upstream: FakeUpstream, asked: str
) -> None:
    big = upstream.add_blob(NAME, BIG)
    answer = _get(small_disk, big, Range=f"bytes={asked}")
    first, _, last = asked.partition("-")
    assert answer.status_code == 206
    assert answer.content == BIG[int(first) : int(last) + 1 if last else None]


def test_a_store_that_cannot_be_written(sealed_store: Mirror, upstream: FakeUpstream) -> None:
    digest = upstream.add_blob(NAME, BIG)
    config = upstream.add_blob(NAME, b"{}")

    assert _get(sealed_store, digest).content == BIG
    assert _get(sealed_store, config).content == b"{}"
    absent = Digest.of(b"nobody has this")
    assert _get(sealed_store, absent).status_code == 404

    assert "Read-only file system" in sealed_store.log
    assert _files(sealed_store) == []


def test_no_file_descriptors_left(tmp_path: Path, upstream: FakeUpstream) -> None:
    digest = upstream.add_blob(NAME, BIG)
    with Mirror(tmp_path / "root", upstream.url) as mirror:
        for pid in mirror.workers():
            in_use = len(list(Path(f"/proc/{pid}/fd").iterdir()))
            _, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (in_use + 8, hard))
        workers = mirror.workers()

        with ThreadPoolExecutor(40) as pool:
            pulls = [pool.submit(_get, mirror, digest) for _ in range(40)]
            for pull in pulls:
                if pull.exception() is None and pull.result().status_code == 200:
                    assert pull.result().content == BIG

        assert mirror.workers() == workers, "none of them died of it"
        for pid in workers:
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (hard, hard))
        assert _get(mirror, digest).content == BIG
