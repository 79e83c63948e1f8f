"""The running mirror evicts by itself: at the start, and at once when a limit is crossed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import partial
from pathlib import Path

import httpx
import pytest

from cache.oci.digest import Digest
from tests.e2e.kernel import lock_holder
from tests.e2e.mirror import Mirror
from tests.e2e.parts import require_root
from tests.e2e.processes import eventually, scratch
from tests.fakes.images import Image
from tests.fakes.plain import NO_AUTHORITY
from tests.fakes.upstream import FakeUpstream
from tests.faults.postgres import Postgres
from tests.retention.operator import call, held, is_recorded, make_older, pull, recorded, removals

LAYER = 1_000_000
NAME = "acme/app"


def _add(upstream: FakeUpstream, tag: str, name: str = NAME, size: int = LAYER) -> Image:
    return upstream.add_image(name, tag, [random.Random(tag).randbytes(size)])


def _is_within(mirror: Mirror, size: int) -> bool:
    return 0 < sum(held(mirror.root).values()) <= size and held(mirror.root) == recorded(
        mirror.root
    )


def test_a_store_that_has_grown_beyond_its_size_is_made_smaller_at_once() -> None:
    limit = 3 * LAYER
    with (
        scratch("janitor") as home,
        FakeUpstream() as upstream,
        Mirror(home / "root", upstream.url, REGISTRY_RETENTION_MAX_SIZE="3MB") as mirror,
    ):
        for number in range(8):
            image = _add(upstream, f"v{number}")
            with httpx.Client(
                base_url=f"{mirror.url}/v2/{NAME}", trust_env=False, verify=NO_AUTHORITY
            ) as client:
                assert client.get(f"/manifests/v{number}").status_code == 200
                for data in (image.config, *image.layers):
                    assert client.get(f"/blobs/{Digest.of(data)}").content == data
        # Long before the next run is due.
        eventually(lambda: _is_within(mirror, limit), "the store is within its size")

        assert str(image.layer_digests[0]) in held(mirror.root), "the youngest is kept"
        assert {row[:3] for row in removals(mirror.root)} == {("janitor", NAME, "max_size")}
        eventually(lambda: "Removed " in mirror.log, "the log says it")
        upstream.reset()
        pull(mirror, NAME, "v7", image)
        assert upstream.count("GET") == 0


def test_what_has_expired_goes_at_the_start() -> None:
    with scratch("janitor") as home, FakeUpstream() as upstream:
        mirror = Mirror(home / "root", upstream.url)
        with mirror:
            for name in ("acme/old", "acme/young"):
                pull(mirror, name, "1", _add(upstream, "1", name))
        make_older(mirror.root, "acme/old", timedelta(days=8))
        part = mirror.root / "parts" / f"sha256-{'a' * 64}.part"
        part.write_bytes(b"the beginning of a blob")
        with mirror:
            eventually(lambda: len(removals(mirror.root)) == 1, "the old one has gone")
            assert removals(mirror.root)[0][:3] == ("janitor", "acme/old", "expired")
            assert part.exists(), "it is not older than a day"
        os.utime(part, (part.stat().st_mtime - 25 * 3600,) * 2)
        with mirror:
            eventually(lambda: not part.exists(), "the old part has gone")


def test_one_process_is_the_janitor_and_another_takes_its_place() -> None:
    limit = 2 * LAYER
    with (
        scratch("janitor") as home,
        FakeUpstream() as upstream,
        Mirror(home / "root", upstream.url, REGISTRY_RETENTION_MAX_SIZE="2MB") as mirror,
    ):
        lock = mirror.root / "locks" / "janitor.lock"
        eventually(lambda: lock.exists() and lock_holder(lock) is not None, "there is a janitor")
        first = lock_holder(lock)
        assert first in mirror.workers()
        assert len([pid for pid in mirror.workers() if _holds(pid, lock)]) == 1
        assert first is not None
        os.kill(first, signal.SIGKILL)
        eventually(lambda: lock_holder(lock) not in (None, first), "another one is the janitor")

        for number in range(4):
            pull_anyhow(mirror, f"w{number}", _add(upstream, f"w{number}"))
        eventually(lambda: _is_within(mirror, limit), "the other one does the work")


def _holds(pid: int, lock: Path) -> bool:
    return lock_holder(lock) == pid


def pull_anyhow(mirror: Mirror, tag: str, image: Image) -> None:
    """A pull of which anything may be evicted as soon as it is here."""
    with httpx.Client(
        base_url=f"{mirror.url}/v2/{NAME}", timeout=60, trust_env=False, verify=NO_AUTHORITY
    ) as client:
        assert Digest.of(client.get(f"/manifests/{tag}").content) == image.digest
        for data in (image.config, *image.layers):
            assert client.get(f"/blobs/{Digest.of(data)}").content == data


@contextmanager
def _small_disk(root: Path, size: str) -> Iterator[None]:
    require_root()
    root.mkdir()
    subprocess.run(("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(root)), check=True)
    try:
        yield
    finally:
        subprocess.run(("umount", "-l", str(root)), check=True)


def test_a_nearly_full_disk_is_made_room_on_before_a_fill() -> None:
    """Of 32 MiB half must stay free: of images of 5 MB, three fit at most."""
    with (
        scratch("janitor") as home,
        FakeUpstream() as upstream,
        _small_disk(home / "root", "32m"),
        Mirror(home / "root", upstream.url, REGISTRY_RETENTION_MIN_FREE="50%") as mirror,
    ):
        for number in range(6):
            tag = f"x{number}"
            image = _add(upstream, tag, size=5 * LAYER)
            pull_anyhow(mirror, tag, image)
            layer = image.layer_digests[0]
            eventually(
                partial(is_recorded, mirror.root, layer), "it is kept in an older one's place"
            )
            free = os.statvfs(mirror.root)
            assert free.f_bavail * free.f_frsize >= 16 * 1024 * 1024 - LAYER // 2
        assert {row[2] for row in removals(mirror.root)} == {"min_free"}
        assert upstream.count("GET", "/blobs/") == 12, "each blob has crossed once"


def test_where_nothing_may_go_the_fill_streams_past_the_store() -> None:
    with (
        scratch("janitor") as home,
        FakeUpstream() as upstream,
        _small_disk(home / "root", "32m"),
        Mirror(
            home / "root",
            upstream.url,
            REGISTRY_RETENTION_MIN_FREE="50%",
            REGISTRY_RETENTION_KEEP="acme/**",
        ) as mirror,
    ):
        kept = _add(upstream, "kept", size=12 * LAYER)
        pull(mirror, NAME, "kept", kept)
        other = _add(upstream, "other", size=8 * LAYER)

        pull_anyhow(mirror, "other", other)

        assert str(other.layer_digests[0]) not in held(mirror.root)
        assert str(kept.layer_digests[0]) in held(mirror.root)
        assert "was not kept: the store failed: No space left" in mirror.log
        assert removals(mirror.root) == []
        pull(mirror, NAME, "kept", kept)


def test_a_disk_that_is_full_to_the_last_byte_is_made_room_on() -> None:
    """Something else has filled it: the records, too, have no room to say what is to go."""
    with (
        scratch("janitor") as home,
        FakeUpstream() as upstream,
        _small_disk(home / "root", "48m"),
        Mirror(home / "root", upstream.url, REGISTRY_RETENTION_MIN_FREE="10%") as mirror,
    ):
        for number in range(16):
            pull(mirror, NAME, f"f{number}", _add(upstream, f"f{number}"))
        _fill_up(mirror.root / "somebody's")

        pull_anyhow(mirror, "new", _add(upstream, "new"))

        eventually(lambda: _free_share(mirror.root) >= 0.1, "there is room again")
        assert {row[:3] for row in removals(mirror.root)} == {("janitor", NAME, "min_free")}
        _fill_up(mirror.root / "somebody's others")
        code, _, err = call(mirror.root, "purge", "**", "--yes")
        assert (code, err) == (0, "")
        eventually(lambda: held(mirror.root) == recorded(mirror.root) == {}, "all has gone")


def _fill_up(path: Path) -> None:
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(4096)) == 4096:
            pass


def _free_share(root: Path) -> float:
    found = os.statvfs(root)
    return found.f_bavail / found.f_blocks


@pytest.mark.one_database
def test_machines_that_share_a_postgresql_have_one_janitor_together() -> None:
    with (
        scratch("pg") as base,
        scratch("one") as here,
        scratch("two") as there,
        Postgres(base) as postgres,
        FakeUpstream() as upstream,
    ):
        settings = {"DATABASE_URL": postgres.url, "REGISTRY_RETENTION_MAX_SIZE": "2MB"}
        one = Mirror(here / "root", upstream.url, **settings)
        # They share the store as well, as machines with a network file system do.
        (there / "root").symlink_to(here / "root")
        two = Mirror(there / "root", upstream.url, **settings)
        with one:
            eventually(lambda: _janitors(postgres) == 1, "there is a janitor")
            with two:
                for number in range(4):
                    pull_anyhow(two, f"p{number}", _add(upstream, f"p{number}"))
                eventually(lambda: _size(postgres) <= 2 * LAYER, "it works for both")
                assert _janitors(postgres) == 1
                one.stop()
                eventually(lambda: _janitors(postgres) == 1, "the other one takes over")
                for number in range(4):
                    pull_anyhow(two, f"q{number}", _add(upstream, f"q{number}"))
                eventually(lambda: _size(postgres) <= 2 * LAYER, "it does the work")
                code, out, err = call(two.root, "purge", "**", "--yes", DATABASE_URL=postgres.url)
                assert (code, err) == (0, "")
                assert "purged" in out
                assert (held(two.root), _size(postgres)) == ({}, 0)


def _janitors(postgres: Postgres) -> int:
    ((count,),) = postgres.query("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")
    assert isinstance(count, int)
    return count


def _size(postgres: Postgres) -> int:
    ((size,),) = postgres.query("SELECT coalesce(sum(size), 0)::bigint FROM cache_blob")
    assert isinstance(size, int)
    return size
