"""The worker that fills is killed in mid-transfer: the readers of the others never know."""

from __future__ import annotations

import os
import re
import signal
from contextlib import ExitStack

import pytest

from cache.oci.digest import Digest
from tests.e2e.counting import CountingProxy
from tests.e2e.images import MIB, noise, push_blob
from tests.e2e.mirror import Mirror
from tests.e2e.processes import eventually
from tests.e2e.raw import Download

pytestmark = pytest.mark.e2e

SIZE = 32 * MIB
HELD_AT = 8 * MIB
READERS = 3
MOST_CONNECTIONS = 200


def test_readers_of_the_other_worker_get_it_all(
    registry: str, upstream: CountingProxy, mirror: Mirror
) -> None:
    digest = push_blob(registry, "killed", noise(SIZE, "killed"))
    held = upstream.hold(f"/blobs/{digest}", after=HELD_AT)
    with ExitStack() as stack:
        stack.enter_context(Download(mirror.address, "killed", digest))
        eventually(lambda: mirror.filler() is not None, "a worker fills the blob")
        filler = mirror.filler()
        assert filler is not None
        readers = [_reader_of_another_worker(stack, mirror, filler, digest) for _ in range(READERS)]
        for reader in readers:
            reader.read(HELD_AT // 2)

        os.kill(filler, signal.SIGKILL)

        assert [reader.read_all() for reader in readers] == [str(digest)] * READERS
        held.open()
    _assert_only_the_rest_came_again(upstream, digest)


def _reader_of_another_worker(
    stack: ExitStack, mirror: Mirror, filler: int, digest: Digest
) -> Download:
    """A download which the kernel gave to a worker that does not fill."""
    for _ in range(MOST_CONNECTIONS):
        reader = stack.enter_context(Download(mirror.address, "killed", digest))
        owner = mirror.worker_of(reader.local_port)
        if owner is not None and owner != filler:
            return reader
    pytest.fail(f"{MOST_CONNECTIONS} connections went to the worker that fills")


def _assert_only_the_rest_came_again(upstream: CountingProxy, digest: Digest) -> None:
    first, second = upstream.seen("GET", f"/blobs/{digest}")
    assert "range" not in first.headers
    asked = re.fullmatch(r"bytes=(\d+)-", second.headers["range"])
    assert asked is not None
    assert 0 < int(asked[1]) <= HELD_AT
    assert (second.status, second.body_bytes) == (206, SIZE - int(asked[1]))
