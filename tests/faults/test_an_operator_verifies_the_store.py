"""`manage.py verify_store`, as a process of its own beside whatever else uses the store."""

from __future__ import annotations

import fcntl
import json
import os
import random
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from cache.oci.digest import Digest
from tests import database
from tests.e2e.mirror import PROJECT, Mirror
from tests.e2e.processes import PATIENCE, environment, eventually
from tests.e2e.terminal import open_terminal, read_terminal
from tests.fakes.plain import NO_AUTHORITY
from tests.fakes.upstream import FakeUpstream

NAME = "library/verified"
COUNT = 12
SIZE = 200_000


@pytest.fixture(scope="module")
def mirror(upstream: FakeUpstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mirror]:
    root = tmp_path_factory.mktemp("verified") / "root"
    with Mirror(root, upstream.url, REGISTRY_STORAGE_SCRUB_INTERVAL="0") as running:
        yield running


@pytest.fixture
def digests(mirror: Mirror, upstream: FakeUpstream) -> list[Digest]:
    """The blobs that the mirror holds, in their digests' order; whatever was damaged is mended."""
    digests = []
    for seed in range(COUNT):
        data = random.Random(seed).randbytes(SIZE)
        digest = upstream.add_blob(NAME, data)
        digests.append(digest)
        _get(mirror, digest).raise_for_status()
        eventually(partial(_is_held, mirror, digest), "the blob is held")
        _path(mirror, digest).write_bytes(data)
    (mirror.root / "verify_store.json").unlink(missing_ok=True)
    return sorted(digests, key=str)


def _get(mirror: Mirror, digest: Digest) -> httpx.Response:
    return httpx.get(
        f"{mirror.url}/v2/{NAME}/blobs/{digest}", timeout=30, trust_env=False, verify=NO_AUTHORITY
    )


def _is_held(mirror: Mirror, digest: Digest) -> bool:
    return _get(mirror, digest).headers["X-Cache"] == "HIT"


def _path(mirror: Mirror, digest: Digest) -> Path:
    return mirror.root / "blobs" / digest.algorithm / digest.hex[:2] / digest.hex


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[SIZE // 2] ^= 1
    path.write_bytes(data)


def _started(root: Path, *options: str, **streams: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        # Where the tests run in the background, the shell has them ignore Ctrl-C.
        ("env", "--default-signal=INT", sys.executable, "manage.py", "verify_store", *options),
        cwd=PROJECT,
        env=environment(
            MIRROR_CONFIG="/dev/null", REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY=str(root)
        ),
        stdin=subprocess.DEVNULL,
        text=True,
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams},
    )


def _verify(root: Path, *options: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error."""
    with _started(root, *options) as process:
        out, err = process.communicate(timeout=PATIENCE)
    return process.returncode, out, err


def test_a_sound_store(mirror: Mirror, digests: list[Digest]) -> None:
    code, out, err = _verify(mirror.root)

    assert (code, err) == (0, "")
    assert out == f"checked {COUNT} blobs (2.3 MiB): nothing is wrong\n"


def test_damage_is_named_mended_and_healed_by_the_next_pull(
    mirror: Mirror, digests: list[Digest], upstream: FakeUpstream
) -> None:
    flipped, cut, deleted, _ = digests[:4]
    _flip(_path(mirror, flipped))
    os.truncate(_path(mirror, cut), 5)
    _path(mirror, deleted).unlink()
    (mirror.root / "blobs" / "notes").write_text("mine")
    upstream.reset()

    code, out, _ = _verify(mirror.root)
    assert code == 1
    assert f"damaged {flipped}: its bytes have another digest\n" in out
    assert f"damaged {cut}: it has 5 bytes and had {SIZE}\n" in out
    assert f"missing {deleted}: it is recorded and not held\n" in out
    assert "stranger 'blobs/notes': it is no blob\n" in out
    assert out.endswith("checked 11 blobs (1.9 MiB): 2 damaged, 1 missing, 1 stranger\n")

    code, out, _ = _verify(mirror.root, "--repair")
    assert code == 1, "a repaired store was not sound"
    assert f"damaged {flipped}: its bytes have another digest; put in quarantine\n" in out
    assert _verify(mirror.root)[0] == 0

    for digest in digests:
        assert Digest.of(_get(mirror, digest).content) == digest
    assert upstream.count("GET") == 3
    eventually(lambda: _verify(mirror.root)[1].startswith(f"checked {COUNT} "), "all are held")


def test_findings_for_programs(mirror: Mirror, digests: list[Digest]) -> None:
    _flip(_path(mirror, digests[3]))

    code, out, _ = _verify(mirror.root, "--json")

    finding, summary = (json.loads(line) for line in out.splitlines())
    assert code == 1
    assert finding["finding"] == {
        "kind": "damaged",
        "name": str(digests[3]),
        "detail": "its bytes have another digest",
        "is_repaired": False,
    }
    assert summary["summary"]["findings"] == {"damaged": 1}
    assert summary["summary"]["blobs"] == COUNT


@pytest.mark.parametrize(
    "options", [("--rate", "fast"), ("--rate", "1KB"), ("--rate", "50"), ("--mend",)]
)
def test_a_mistake_is_told_apart_from_a_finding(tmp_path: Path, options: tuple[str, ...]) -> None:
    code, out, err = _verify(tmp_path, *options)

    assert (code, out) == (2, "")
    assert "verify_store: error: " in err


def test_where_there_is_no_store_none_is_made(tmp_path: Path) -> None:
    code, out, err = _verify(tmp_path)

    assert (code, out) == (2, "")
    assert re.search("there is no (store|database)", err)
    assert list(tmp_path.iterdir()) == []


def test_a_store_without_a_database_is_not_called_sound(tmp_path: Path) -> None:
    (tmp_path / "blobs").mkdir()

    code, out, err = _verify(tmp_path)

    assert (code, out) == (2, "")
    assert ("there is no database" if database.SERVER is None else "the database failed") in err
    assert "Traceback" not in err


def _is_under_way(root: Path) -> bool:
    """Whether some of the blobs, and not all, were checked."""
    place = root / "verify_store.json"
    return place.exists() and 0 < json.loads(place.read_text())["blobs"] < COUNT


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_stopped_one_goes_on_where_it_was(
    mirror: Mirror, digests: list[Digest], number: signal.Signals
) -> None:
    _flip(_path(mirror, digests[0]))
    with _started(mirror.root, "--rate", "200KB") as process:
        eventually(lambda: _is_under_way(mirror.root), "some blobs are checked")
        process.send_signal(number)
        out, err = process.communicate(timeout=PATIENCE)
    assert out.startswith(f"damaged {digests[0]}")
    if number == signal.SIGINT:
        assert process.returncode == 130
        assert "the same command goes on from here" in err
    kept = json.loads((mirror.root / "verify_store.json").read_text())
    # What lies behind the place is not read again, and so not found.
    _flip(_path(mirror, Digest.parse(kept["after"])))

    code, out, err = _verify(mirror.root)

    assert f"goes on after {kept['blobs']} blobs" in err
    assert (code, out) == (1, f"checked {COUNT} blobs (2.3 MiB): 1 damaged\n")
    assert "damaged" in _verify(mirror.root, "--restart")[1]


def test_two_do_not_work_at_the_same_time(mirror: Mirror, digests: list[Digest]) -> None:
    with _started(mirror.root, "--rate", "64KiB") as first:
        eventually(lambda: _is_locked(mirror.root), "the first is at work")
        code, _, err = _verify(mirror.root)
        first.terminate()
        first.communicate(timeout=PATIENCE)

    assert code == 2
    assert "another verify_store is at work" in err


def _is_locked(root: Path) -> bool:
    lock = root / "locks" / "verify_store.lock"
    if not lock.exists():
        return False
    with lock.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def test_on_a_terminal_a_bar_shows_how_far_it_is(mirror: Mirror, digests: list[Digest]) -> None:
    _flip(_path(mirror, digests[0]))
    ours, theirs = open_terminal(120)
    try:
        with _started(mirror.root, "--rate", "1MB", stdout=theirs, stderr=theirs) as process:
            os.close(theirs)
            shown = read_terminal(ours, process)
    finally:
        os.close(ours)

    assert process.returncode == 1
    bars = re.findall(
        r"\[#*\.*\] +(\d+)%  [\d.]+ \w+ of 2.3 MiB  [\d.]+ \w+/s  \S+ to go  (\d) findings", shown
    )
    assert len(bars) > 3
    shares = [int(share) for share, _ in bars]
    assert shares == sorted(shares)
    assert 0 < shares[0] < shares[-1] <= 100
    assert bars[-1][1] == "1"
    assert all(len(line) < 120 for line in re.split(r"\r\x1b\[K|\r\n", shown))
    assert f"\r\x1b[Kdamaged {digests[0]}" in shown, "a finding has a line of its own"
