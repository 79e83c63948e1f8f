"""A warm-up beside a running mirror, stopped in the middle, killed, and repeated."""

from __future__ import annotations

import random
import re
import signal
import threading
from pathlib import Path

import httpx
import pytest

from tests.e2e.mirror import Mirror
from tests.e2e.mounts import mounted
from tests.e2e.parts import require_root
from tests.e2e.processes import PATIENCE, eventually
from tests.fakes.faults import Fault, Gate
from tests.fakes.images import Image, build_image
from tests.fakes.plain import NO_AUTHORITY
from tests.fakes.upstream import FakeUpstream
from tests.warm.commands import Warm

SMALL = random.Random(1).randbytes(100_000)
LARGE = random.Random(2).randbytes(3_000_000)
ARRIVED = 1_000_000


@pytest.fixture
def image(upstream: FakeUpstream) -> Image:
    return upstream.put_image("library/tool", build_image((SMALL, LARGE)), "1")


def stalled(upstream: FakeUpstream, image: Image) -> Gate:
    """Have the large layer stop after `ARRIVED` bytes, once."""
    gate = Gate()
    path = re.escape(str(image.layer_digests[1]))
    upstream.misbehave(Fault(stall=gate, stall_at=ARRIVED), method="GET", path=path, times=1)
    return gate


def size_of_part(root: Path) -> int:
    return sum(part.stat().st_size for part in (root / "parts").glob("*.part"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_stopped_one_goes_on_where_it_was(
    upstream: FakeUpstream, warm: Warm, image: Image, number: signal.Signals
) -> None:
    gate = stalled(upstream, image)
    with warm.start("tool:1") as process:
        eventually(lambda: len(blobs(warm.root)) == 2, "the small ones are here")
        eventually(lambda: size_of_part(warm.root) == ARRIVED, "the large one has begun")
        process.send_signal(number)
        _, err = process.communicate(timeout=PATIENCE)
    gate.open()
    if number == signal.SIGINT:
        assert process.returncode == 130
        assert err == "stopped: the same command goes on from here\n"
    begun = size_of_part(warm.root)
    priced = warm("tool:1", "--dry-run", "--json").objects[0]["image"]
    assert priced["bytes_missing_before"] == len(LARGE) - begun
    upstream.reset()

    ended = warm("tool:1")

    assert ended.code == 0, ended.out
    fetched = upstream.seen("GET")
    assert [seen.path.rpartition("/")[2] for seen in fetched] == [str(image.layer_digests[1])]
    assert fetched[0].header("range") == f"bytes={begun}-"


@pytest.mark.parametrize("first", ["client", "command"])
def test_a_running_mirror_and_the_command_share_one_transfer(
    upstream: FakeUpstream, warm: Warm, image: Image, first: str
) -> None:
    gate = stalled(upstream, image)
    pulled: list[bytes] = []
    with Mirror(warm.root, upstream.url) as mirror:
        url = f"{mirror.url}/v2/library/tool/blobs/{image.layer_digests[1]}"
        client = threading.Thread(
            target=lambda: pulled.append(
                httpx.get(url, timeout=30, trust_env=False, verify=NO_AUTHORITY).content
            )
        )
        if first == "client":
            client.start()
            gate.wait_until_reached()
        with warm.start("tool:1", "--json") as process:
            if first == "command":
                gate.wait_until_reached()
                client.start()
            # All else is here: the command waits for the layer that is on its way.
            eventually(lambda: len(blobs(warm.root)) == 2, "the small ones are here")
            assert process.poll() is None
            gate.open()
            out, err = process.communicate(timeout=PATIENCE)
        client.join(PATIENCE)

    assert (process.returncode, err) == (0, ""), out
    assert pulled == [LARGE]
    assert upstream.count("GET", re.escape(str(image.layer_digests[1]))) == 1
    assert upstream.count("GET", "/blobs/") == 3


def blobs(root: Path) -> list[Path]:
    return list((root / "blobs").glob("sha256/*/*"))


def test_a_full_disk_ends_it_with_a_sentence(upstream: FakeUpstream, warm: Warm) -> None:
    require_root()
    upstream.put_image("library/tool", build_image((LARGE * 4, LARGE * 5)), "1")
    upstream.put_image("library/other", build_image((SMALL,)), "1")

    with mounted(warm.root, "-t", "tmpfs", "-o", "size=8m", "tmpfs"):
        ended = warm("tool:1", "other:1", "--jobs", "1")

    assert (ended.code, ended.err.count("Traceback")) == (1, 0)
    assert "library/tool:1: not all here: the store failed: No space left on device" in ended.out
    assert "library/other:1: not all here: the store failed: No space left" in ended.out
    assert upstream.count("GET", "/blobs/") < 4, "what cannot be kept is not asked for"
    assert upstream.count(path="library/other") == 0
