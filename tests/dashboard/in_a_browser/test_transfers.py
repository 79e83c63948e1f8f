"""Transfers, watched and cancelled while clients pull."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.dashboard.in_a_browser import pictures
from tests.dashboard.in_a_browser.conftest import PAGES, Visit
from tests.e2e.mirror import Mirror
from tests.fakes.faults import Fault, Gate
from tests.fakes.upstream import FakeUpstream

pytestmark = pytest.mark.e2e


def test_a_transfer_is_followed_to_its_end(
    visit: Visit, mirror: Mirror, upstream: FakeUpstream
) -> None:
    data = random.Random("big").randbytes(8 * 1024**2)
    digest = upstream.add_blob("acme/big", data)
    gate = Gate()
    fault = Fault(stall=gate, stall_at=4 * 1024**2)
    upstream.misbehave(fault, method="GET", path=str(digest), times=1)
    visitor = visit("operator", dark=True)
    visitor.go(PAGES["transfers"])
    visitor.wait_for("Nothing comes from upstream just now")
    with ThreadPoolExecutor(3) as pool:
        url = f"{mirror.url}/v2/ghcr.io/acme/big/blobs/{digest}"
        pulls = [pool.submit(httpx.get, url, trust_env=False, timeout=60) for _ in range(3)]
        visitor.wait_for("4 MiB of 8 MiB")
        visitor.wait_for("3 readers")
        assert visitor.page.get_by_role("progressbar").get_attribute("aria-valuenow") == "50.0"
        pictures.keep(visitor.page, "transfer-under-way-dark")
        gate.open()
        assert all(pull.result(60).content == data for pull in pulls)
    row = visitor.page.locator("tr", has_text=str(digest)[:19])
    row.get_by_text("verified and kept").wait_for()


def test_a_transfer_is_cancelled(visit: Visit, mirror: Mirror, upstream: FakeUpstream) -> None:
    digest = upstream.add_blob("acme/unwanted", random.Random("u").randbytes(4 * 1024**2))
    slow = Fault(bytes_per_second=300_000)
    upstream.misbehave(slow, method="GET", path=str(digest), times=1)
    visitor = visit("operator", width=360)
    visitor.go(PAGES["transfers"])
    with ThreadPoolExecutor(1) as pool:
        url = f"{mirror.url}/v2/ghcr.io/acme/unwanted/blobs/{digest}"
        pull = pool.submit(httpx.get, url, trust_env=False, timeout=60)
        visitor.page.get_by_role("button", name="Cancel the transfer").click()
        visitor.wait_for("ends with its next byte")
        assert not visitor.is_wider_than_the_screen()
        with pytest.raises(httpx.RemoteProtocolError):
            pull.result(60).raise_for_status()
    visitor.wait_for("the operator of this mirror cancelled the transfer")
