"""A serving mirror reads its store again by itself, in one of its workers, and mends it."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from cache.oci.digest import Digest
from tests.e2e.kernel import lock_holder
from tests.e2e.mirror import Mirror
from tests.e2e.processes import eventually
from tests.fakes.plain import NO_AUTHORITY
from tests.fakes.upstream import FakeUpstream

NAME = "library/scrubbed"
SIZE = 300_000
NOT_AS_IT_WAS = Digest.of(b"as it was")


@pytest.fixture(scope="module")
def mirror(upstream: FakeUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mirror]:
    root = tmp_path_factory.mktemp("scrubbed") / "root"
    _path(root, NOT_AS_IT_WAS).parent.mkdir(parents=True)
    _path(root, NOT_AS_IT_WAS).write_bytes(b"as it is now")
    often = {"REGISTRY_STORAGE_SCRUB_INTERVAL": "1s", "REGISTRY_STORAGE_SCRUB_RATE": "1GiB"}
    with Mirror(root, upstream.url, **often) as running:
        yield running


def _get(mirror: Mirror, digest: Digest) -> httpx.Response:
    return httpx.get(
        f"{mirror.url}/v2/{NAME}/blobs/{digest}", timeout=30, trust_env=False, verify=NO_AUTHORITY
    )


def _path(root: Path, digest: Digest) -> Path:
    return root / "blobs" / digest.algorithm / digest.hex[:2] / digest.hex


def _log(mirror: Mirror) -> list[str]:
    return (mirror.root.parent / "mirror.log").read_text().splitlines()


def _held(mirror: Mirror, upstream: FakeUpstream, seed: str) -> Digest:
    digest = upstream.add_blob(NAME, random.Random(seed).randbytes(SIZE))
    _get(mirror, digest).raise_for_status()
    eventually(lambda: _get(mirror, digest).headers["X-Cache"] == "HIT", "the blob is held")
    upstream.reset()
    return digest


def _flip(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(SIZE // 2)
        byte = file.read(1)[0]
        file.seek(SIZE // 2)
        file.write(bytes([byte ^ 1]))


def _scrubber(mirror: Mirror) -> int | None:
    """The worker that scrubs now, if any."""
    lock = mirror.root / "locks" / "scrub.lock"
    return lock_holder(lock) if lock.exists() else None


def test_it_does_so_before_anybody_pulls(mirror: Mirror) -> None:
    eventually(lambda: not _path(mirror.root, NOT_AS_IT_WAS).exists(), "the damage is found")


def test_a_flipped_bit_is_found_put_aside_and_fetched_again(
    mirror: Mirror, upstream: FakeUpstream
) -> None:
    digest = _held(mirror, upstream, "flipped")

    _flip(_path(mirror.root, digest))

    eventually(
        lambda: not _path(mirror.root, digest).exists(), "the damaged blob is no longer held"
    )
    assert len(list((mirror.root / "quarantine").glob(f"sha256-{digest.hex}.*"))) == 1
    assert Digest.of(_get(mirror, digest).content) == digest
    assert upstream.count("GET", str(digest)) == 1
    (line,) = (
        line for line in _log(mirror) if f"damaged {digest}" in line and "level=error" in line
    )
    assert "put in quarantine" in line


def test_one_worker_does_it_and_another_takes_over(mirror: Mirror, upstream: FakeUpstream) -> None:
    eventually(lambda: _scrubber(mirror) is not None, "a worker scrubs")
    first = _scrubber(mirror)
    assert first in mirror.workers()
    digest = _held(mirror, upstream, "taken over")

    assert first is not None
    os.kill(first, signal.SIGKILL)

    eventually(lambda: _scrubber(mirror) not in (None, first), "another worker scrubs")
    assert _scrubber(mirror) in mirror.workers()
    _flip(_path(mirror.root, digest))
    eventually(lambda: not _path(mirror.root, digest).exists(), "it finds the damage")
