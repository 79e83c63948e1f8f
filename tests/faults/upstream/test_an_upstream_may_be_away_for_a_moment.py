"""Upstream restarts under many transfers: an open circuit ends none of them."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from tests.e2e.mirror import Mirror
from tests.e2e.processes import eventually
from tests.fakes.faults import Fault, Gate
from tests.fakes.upstream import FakeUpstream

NAME = "library/thing"
TRANSFERS = 8


def test_transfers_under_way_go_on(tmp_path: Path) -> None:
    blobs = [random.Random(number).randbytes(600_000) for number in range(TRANSFERS)]
    with FakeUpstream() as upstream, Mirror(tmp_path / "root", upstream.url) as mirror:
        digests = [upstream.add_blob(NAME, data) for data in blobs]
        gate = Gate()
        upstream.misbehave(Fault(stall=gate, stall_at=300_000), method="GET", times=TRANSFERS)
        with ThreadPoolExecutor(TRANSFERS) as pool:
            pulls = [
                pool.submit(
                    httpx.get, f"{mirror.url}/v2/{NAME}/blobs/{digest}", timeout=60, trust_env=False
                )
                for digest in digests
            ]
            gate.wait_until_reached(TRANSFERS)

            upstream.stop()
            eventually(lambda: "it is left alone" in mirror.log, "a circuit is open")
            upstream.start()

            assert [pull.result().content for pull in pulls] == blobs
