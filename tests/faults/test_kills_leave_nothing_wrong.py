"""Fifty kills at any moment, under load: nothing wrong is kept or completed, nothing stays."""

from __future__ import annotations

import os
import random
import signal
from contextlib import suppress
from pathlib import Path

import pytest

from cache.oci.digest import Digest
from tests import database
from tests.e2e.images import MIB, noise
from tests.e2e.kernel import is_running, lock_holder
from tests.e2e.mirror import Mirror
from tests.e2e.processes import eventually, scratch
from tests.fakes.faults import Fault
from tests.fakes.upstream import FakeUpstream
from tests.faults.load import NAME, Clients, pull

SEED = 20
VICTIMS = ["filler"] * 34 + ["workers"] * 10 + ["parent"] * 6
LAYER = MIB // 2
LAYERS = 2
CLIENTS = 6
SLOW = Fault(bytes_per_second=2 * MIB)


@pytest.mark.timeout(300)
def test_fifty_kills() -> None:
    rng = random.Random(SEED)
    rng.shuffle(VICTIMS)
    with (
        scratch("storm") as home,
        FakeUpstream() as upstream,
        Mirror(home / "data", upstream.url, REGISTRY_HTTP_DRAINTIMEOUT="1s") as mirror,
        Clients(mirror.url, CLIENTS) as clients,
    ):
        upstream.misbehave(SLOW, path="/blobs/")
        checked: set[tuple[str, int]] = set()
        for number, victim in enumerate(VICTIMS):
            layers = [noise(LAYER, f"{number}/{n}") for n in range(LAYERS)]
            upstream.add_image(NAME, f"v{number}", layers)
            clients.want(f"v{number}")
            _wait_for_bytes(upstream, rng.randrange(LAYERS * LAYER))
            _kill(mirror, victim)
            _assert_blobs_are_right(mirror.root, checked)
        tags = [f"v{number}" for number in range(len(VICTIMS))]
        faults = [fault for tag in tags for fault in pull(mirror.url, tag)]
        clients.stop()

        assert (faults, clients.faults) == ([], [])
        assert clients.pulled > len(VICTIMS)
        _assert_blobs_are_right(mirror.root, set())
        mirror.stop()
        mirror.start()
        _assert_nothing_is_left(mirror)
        assert _recorded(mirror.root) == _held(mirror.root)


def _wait_for_bytes(upstream: FakeUpstream, count: int) -> None:
    """Wait until upstream has sent so many bytes from now on: the moments of the kills."""
    goal = upstream.body_bytes + count
    eventually(lambda: upstream.body_bytes >= goal, f"{count} bytes have come")


def _kill(mirror: Mirror, victim: str) -> None:
    eventually(lambda: bool(mirror.workers()), "a killed worker was replaced")
    workers = mirror.workers()
    if victim == "parent":
        mirror.kill()
        # At once, on the same port, while the workers of the one that was killed still end.
        mirror.start()
        eventually(lambda: not any(map(is_running, workers)), "the orphans have ended")
        return
    filler = mirror.filler() or workers[0]
    for pid in workers if victim == "workers" else [filler]:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _assert_blobs_are_right(root: Path, checked: set[tuple[str, int]]) -> None:
    """Read all visible blobs that were not `checked` before."""
    for path in (root / "blobs").glob("*/*/*"):
        known = (path.name, path.stat().st_ino)
        if known not in checked:
            assert Digest.of(path.read_bytes()).hex == path.name
            checked.add(known)


def _assert_nothing_is_left(mirror: Mirror) -> None:
    """No part, no draft; and no lock but of those who live now."""
    living = {None, *mirror.workers()}
    locked = {path: lock_holder(path) for path in mirror.root.rglob("*") if path.is_file()}
    assert list((mirror.root / "parts").iterdir()) == []
    assert [path for path in (mirror.root / "locks").iterdir() if not locked[path]] == []
    assert [path for path, holder in locked.items() if holder not in living] == []


def _held(root: Path) -> dict[str, int]:
    return {f"sha256:{path.name}": path.stat().st_size for path in root.glob("blobs/*/*/*")}


def _recorded(root: Path) -> dict[str, int]:
    return dict(database.rows(root, "SELECT digest, size FROM cache_blob"))
