"""`manage.py purge_expired`, as a process of its own beside the mirror that serves."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from cache.oci.digest import Digest
from tests import database
from tests.e2e.mirror import PROJECT, Mirror
from tests.e2e.mounts import mounted
from tests.e2e.parts import require_root
from tests.e2e.processes import scratch
from tests.fakes.images import Image
from tests.fakes.plain import NO_AUTHORITY
from tests.fakes.upstream import FakeUpstream
from tests.retention.operator import (
    call,
    call_and_read_one_line,
    call_on_terminal,
    held,
    make_older,
    pull,
    recorded,
    removals,
)

NODE, BASE = "library/node", "acme/base"
LAYER = 1_300_000
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def upstream() -> Iterator[FakeUpstream]:
    with FakeUpstream() as upstream:
        yield upstream


@pytest.fixture(scope="module")
def mirror(upstream: FakeUpstream) -> Iterator[Mirror]:
    with scratch("evicts") as home, Mirror(home / "root", upstream.url) as running:
        yield running


@pytest.fixture
def images(mirror: Mirror, upstream: FakeUpstream) -> dict[str, Image]:
    """An image that was pulled nine days ago, and one that was pulled just now."""
    found = {
        NODE: upstream.add_image(NODE, "20", [b"n" * LAYER]),
        BASE: upstream.add_image(BASE, "1", [b"b" * LAYER]),
    }
    for name, tag in ((NODE, "20"), (BASE, "1")):
        pull(mirror, name, tag, found[name])
    # What the workers have in memory must not make it young again.
    assert call(mirror.root, "purge_expired", "--dry-run")[0] == 0
    make_older(mirror.root, NODE, 9 * DAY)
    return found


def _environ(upstream: FakeUpstream) -> dict[str, str]:
    return {"REGISTRY_PROXY_REMOTEURL": upstream.url}


def test_a_dry_run_and_then_the_run(
    mirror: Mirror, upstream: FakeUpstream, images: dict[str, Image]
) -> None:
    before = held(mirror.root)

    code, out, err = call(mirror.root, "purge_expired", "--dry-run", **_environ(upstream))

    assert (code, err) == (0, "")
    assert out == (
        "library/node:20 — 1.2 MiB — last pulled 9 days ago, ttl 7 d\n"
        "would remove 1 image, 2 blobs, 1.2 MiB; the store would hold 1.2 MiB\n"
    )
    assert held(mirror.root) == recorded(mirror.root) == before

    code, out, err = call(mirror.root, "purge_expired", **_environ(upstream))

    assert (code, err) == (0, "")
    assert out.endswith("removed 1 image, 2 blobs, 1.2 MiB; the store holds 1.2 MiB\n")
    assert held(mirror.root) == recorded(mirror.root)
    assert len(held(mirror.root)) == len(before) - 2
    assert removals(mirror.root)[-1][1:3] == (NODE, "expired")

    code, out, _ = call(mirror.root, "purge_expired", **_environ(upstream))
    assert (code, out.startswith("removed 0 images, 0 blobs, 0 B;")) == (0, True)
    pull(mirror, NODE, "20", images[NODE])


def test_a_pull_of_a_moment_ago_counts(
    mirror: Mirror, upstream: FakeUpstream, images: dict[str, Image]
) -> None:
    """It is in a worker's memory only: the command has the workers write it down."""
    pull(mirror, NODE, "20", images[NODE])

    code, out, _ = call(mirror.root, "purge_expired", **_environ(upstream))

    assert (code, out.startswith("removed 0 images")) == (0, True)


def test_limits_of_the_commands_own(
    mirror: Mirror, upstream: FakeUpstream, images: dict[str, Image]
) -> None:
    limited = ("purge_expired", "--max-size", "2MB", "--min-free", "0")
    environ = {**_environ(upstream), "REGISTRY_PROXY_TTL": "0"}
    code, out, _ = call(mirror.root, *limited, "--dry-run", **environ)
    assert code == 0
    assert re.match(
        r"library/node:20 — 1\.2 MiB — last pulled 9 days ago, the store was 586\.\d KiB over "
        r"1\.9 MiB\n",
        out,
    )

    keep = "[acme/**, 'library/node']"
    code, out, err = call(mirror.root, *limited, **environ, REGISTRY_RETENTION_KEEP=keep)
    assert code == 0, "it did what it could"
    assert "removed 0 images" in out
    assert re.match(r"still 586\.\d KiB over 1\.9 MiB: the rest is pinned or in use\n", err)


def test_for_programs(mirror: Mirror, upstream: FakeUpstream, images: dict[str, Image]) -> None:
    code, out, _ = call(mirror.root, "purge_expired", "--json", "--dry-run", **_environ(upstream))

    removed, summary = (json.loads(line) for line in out.splitlines())
    assert code == 0
    facts = removed["removed"]
    assert facts.pop("last_pulled")
    assert facts == {
        "kind": "image",
        "name": "library/node:20",
        "digest": str(images[NODE].digest),
        "tags": ["20"],
        "size": LAYER + len(images[NODE].config),
        "blobs": 2,
        "reason": "expired",
        "detail": "last pulled 9 days ago, ttl 7 d",
    }
    assert summary["summary"]["images"] == 1
    assert summary["summary"]["dry_run"] is True


def test_on_a_terminal_there_is_a_bar(
    mirror: Mirror, upstream: FakeUpstream, images: dict[str, Image]
) -> None:
    code, shown = call_on_terminal(mirror.root, "purge_expired")

    assert code == 0
    lines = re.split(r"\r\x1b\[K|\r\n", shown)
    assert any(line.endswith("ttl 7 d") for line in lines)
    assert "removed 1 image, 2 blobs, 1.2 MiB; the store holds 1.2 MiB" in lines
    assert all(len(line) < 120 for line in lines)


@pytest.mark.parametrize("json", [(), ("--json",)])
def test_of_which_no_more_than_a_line_is_read(
    mirror: Mirror, upstream: FakeUpstream, json: tuple[str, ...]
) -> None:
    """`purge_expired | head -1`: what a pipe does not hold is nobody's.

    A command that only tells ends there; one that removes does its work.
    """
    for number in range(60):
        name = f"many/{'n' * 100}{number}"
        pull(mirror, name, "1", upstream.add_image(name, "1", [name.encode()]))
    limited = ("purge_expired", "--max-size", "1KiB", *json)

    # What the pipe holds was written before the reader went.
    told = {0, 141}
    for words, expected in (((*limited, "--dry-run"), told), (("du",), told), (limited, {0})):
        code, first, err = call_and_read_one_line(mirror.root, *words, **_environ(upstream))
        assert (code in expected, err) == (True, "")
        assert first.endswith("\n")

    assert sum(held(mirror.root).values()) <= 1024
    assert held(mirror.root) == recorded(mirror.root)


@pytest.mark.parametrize(
    "words",
    [("--max-size", "big"), ("--max-size", "5"), ("--min-free", "99%"), ("--dryrun",)],
)
def test_a_mistake(tmp_path: Path, words: tuple[str, ...]) -> None:
    code, out, err = call(tmp_path, "purge_expired", *words)

    assert (code, out) == (2, "")
    assert "purge_expired: error: " in err


def test_where_there_is_no_store_none_is_made(tmp_path: Path) -> None:
    for words in (("purge_expired",), ("du",), ("pin",), ("unpin", "a"), ("purge", "a")):
        code, out, err = call(tmp_path, *words)
        assert (code, out) == (2, "")
        assert re.search("there is no (store|database)", err)
    assert list(tmp_path.iterdir()) == []


def test_without_a_database(tmp_path: Path) -> None:
    (tmp_path / "blobs").mkdir()

    code, _, err = call(tmp_path, "purge_expired")

    assert code == 2
    assert ("there is no database" if database.SERVER is None else "the database failed") in err
    assert "Traceback" not in err
    assert not (tmp_path / "mirror.sqlite3").exists()


def test_from_cron_beside_pulls(
    mirror: Mirror, upstream: FakeUpstream, images: dict[str, Image]
) -> None:
    """Several at once, while a client pulls: each ends well, and no pull notices."""
    started = [
        subprocess.Popen(
            (sys.executable, "manage.py", "purge_expired", "--max-size", "1MiB"),
            cwd=PROJECT,
            env={
                "PATH": "/usr/bin:/bin",
                "MIRROR_CONFIG": "/dev/null",
                "REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY": str(mirror.root),
                **database.variables(mirror.root),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    while any(process.poll() is None for process in started):
        for name, tag in ((NODE, "20"), (BASE, "1")):
            _pull_anyhow(mirror, name, tag, images[name])
    for process in started:
        out, err = process.communicate(timeout=30)
        assert process.returncode == 0, err
        assert "removed" in out


def _pull_anyhow(mirror: Mirror, name: str, tag: str, image: Image) -> None:
    """A pull that need not find anything recorded: it may be evicted as soon as it is here."""
    with httpx.Client(
        base_url=f"{mirror.url}/v2/{name}", timeout=30, trust_env=False, verify=NO_AUTHORITY
    ) as client:
        assert Digest.of(client.get(f"/manifests/{tag}").content) == image.digest
        for data in (image.config, *image.layers):
            assert client.get(f"/blobs/{Digest.of(data)}").content == data


@pytest.mark.parametrize("words", [("purge_expired",), ("purge", f"{BASE}:1")])
def test_a_store_that_cannot_be_written(
    mirror: Mirror, upstream: FakeUpstream, images: dict[str, Image], words: tuple[str, ...]
) -> None:
    """No other eviction is in the way, and none is said to be."""
    require_root()
    with mounted(mirror.root / "locks", "-t", "tmpfs", "-o", "ro", "tmpfs"):
        code, out, err = call(mirror.root, *words, **_environ(upstream))

    assert (code, out) == (2, "")
    assert err.startswith("CommandError: the store failed: [Errno 30] Read-only file system: ")
