"""Each process shows its fills to all others, and follows a wish to cancel one."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.http.response import HttpResponseBase
from django.test import Client

from cache import pulse
from cache.pulse import Pulse
from cache.report import Reporter
from cache.runtime import Runtime
from tests.e2e.processes import eventually
from tests.fakes.faults import Fault, Gate
from tests.fakes.upstream import FakeUpstream

NAME = "library/thing"
DATA = b"0123456789abcdef" * 100_000

pytestmark = pytest.mark.django_db(transaction=True)


def shown(mirror: Runtime) -> Pulse:
    (found,) = pulse.read(pulse.folder_of(mirror.config.storage.root))
    return found


def get(path: str) -> tuple[int, int]:
    """The status and how many bytes came before the body ended or broke off."""
    answer: HttpResponseBase = Client().get(path)
    length = 0
    try:
        for chunk in answer:
            length += len(chunk)
    except ConnectionResetError:
        pass
    finally:
        answer.close()
    return answer.status_code, length


def test_a_fill_is_shown_while_it_goes_on_and_when_it_has_ended(
    mirror: Runtime, upstream: FakeUpstream
) -> None:
    digest = upstream.add_blob(NAME, DATA)
    gate = Gate()
    upstream.misbehave(Fault(stall=gate, stall_at=800_000), method="GET", path=str(digest))
    reporter = Reporter(mirror)
    with ThreadPoolExecutor(1) as pool:
        pull = pool.submit(get, f"/v2/{NAME}/blobs/{digest}")
        gate.wait_until_reached()
        eventually(lambda: mirror.coalescer.states()[0].arrived >= 800_000, "bytes arrived")
        reporter.show(time.time())
        (transfer,) = shown(mirror).transfers
        gate.open()
        assert pull.result(30) == (200, len(DATA))
    assert transfer.digest == str(digest)
    assert transfer.origin == f"{mirror.config.proxy.name}/{NAME}"
    assert (transfer.size, transfer.arrived, transfer.readers) == (len(DATA), 800_000, 1)
    assert transfer.fetches
    assert transfer.answers == 1
    assert transfer.speed > 0

    assert mirror.coalescer.drain(30)
    reporter.show(time.time())
    assert shown(mirror).transfers == ()
    (ended,) = shown(mirror).ended
    assert (ended.arrived, ended.problem) == (len(DATA), None)
    assert ended.ended_at is not None


def test_a_fill_that_is_cancelled_ends_and_the_next_one_goes_on(
    mirror: Runtime, upstream: FakeUpstream
) -> None:
    digest = upstream.add_blob(NAME, DATA)
    gate = Gate()
    upstream.misbehave(Fault(stall=gate, stall_at=800_000), method="GET", path=str(digest), times=1)
    folder = pulse.folder_of(mirror.config.storage.root)
    with ThreadPoolExecutor(1) as pool:
        pull = pool.submit(get, f"/v2/{NAME}/blobs/{digest}")
        gate.wait_until_reached()
        eventually(lambda: mirror.coalescer.states()[0].arrived >= 800_000, "bytes arrived")
        pulse.wish_cancel(folder, str(digest), time.time())
        Reporter(mirror).show(time.time())
        gate.open()
        status, length = pull.result(30)
    assert status in (200, 503)  # told in time, if the client had no byte yet
    assert length < len(DATA)
    assert mirror.coalescer.drain(30)
    (ended,) = mirror.coalescer.ended()
    assert ended.state.problem == "the operator of this mirror cancelled the transfer"
    assert list(pulse.wished_cancels(folder, time.time())) == []

    assert get(f"/v2/{NAME}/blobs/{digest}") == (200, len(DATA))
    assert (upstream.seen("GET", str(digest))[-1].header("Range") or "").startswith("bytes=")


def test_a_wish_that_nobody_follows_is_over_soon(tmp_path: Path) -> None:
    digest = "sha256:" + "a" * 64
    pulse.wish_cancel(tmp_path, digest, time.time())
    assert list(pulse.wished_cancels(tmp_path, time.time())) == [digest]
    assert list(pulse.wished_cancels(tmp_path, time.time() + 60)) == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", ["", "[]", '{"at": 1}', '{"at": 1, "process": 2}'])
def test_a_damaged_file_shows_nothing(tmp_path: Path, content: str) -> None:
    (tmp_path / "1.json").write_text(content)
    assert pulse.read(tmp_path) == []
