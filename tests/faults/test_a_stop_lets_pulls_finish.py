"""SIGTERM: pulls under way get `http.draintimeout` to end; what they leave is continued later."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import pytest

from tests import database
from tests.e2e.images import MIB, noise
from tests.e2e.mirror import Mirror
from tests.e2e.processes import eventually, scratch
from tests.e2e.raw import Download
from tests.fakes.faults import Fault, Gate
from tests.fakes.plain import NO_AUTHORITY
from tests.fakes.upstream import FakeUpstream

NAME = "stopped"
BLOB = noise(4 * MIB, NAME)
HELD_AT = 2 * MIB
ENOUGH = "60s"


@pytest.fixture
def home() -> Iterator[Path]:
    with scratch("stop") as path:
        yield path


@pytest.fixture
def upstream() -> Iterator[FakeUpstream]:
    with FakeUpstream() as upstream:
        yield upstream


@contextmanager
def _running(home: Path, upstream: FakeUpstream, grace: str) -> Iterator[Mirror]:
    with Mirror(home / "data", upstream.url, REGISTRY_HTTP_DRAINTIMEOUT=grace) as mirror:
        yield mirror


class _Stop(threading.Thread):
    """SIGTERM for the mirror; `code` is its exit code once it has ended."""

    def __init__(self, mirror: Mirror) -> None:
        super().__init__()
        self.code: int | None = None
        self._mirror = mirror
        os.kill(mirror.pid, signal.SIGTERM)
        self.start()

    def run(self) -> None:
        self.code = self._mirror.wait()


def _is_closed(mirror: Mirror) -> bool:
    host, port = mirror.address.split(":")
    with socket.socket() as trial:
        return trial.connect_ex((host, int(port))) != 0


def test_a_pull_under_way_gets_it_all(home: Path, upstream: FakeUpstream) -> None:
    digest = upstream.add_blob(NAME, BLOB)
    gate = Gate()
    upstream.misbehave(Fault(stall=gate, stall_at=HELD_AT), path="/blobs/")
    with (
        _running(home, upstream, ENOUGH) as mirror,
        Download(mirror.address, NAME, digest) as download,
    ):
        download.read(MIB)
        stop = _Stop(mirror)
        eventually(lambda: _is_closed(mirror), "nobody is let in any more")
        gate.open()

        assert download.read_all() == str(digest)
        stop.join()

    assert stop.code == 0
    # The bytes were put away before the end, too.
    assert (home / "data/blobs/sha256" / digest.hex[:2] / digest.hex).read_bytes() == BLOB
    assert list((home / "data/parts").iterdir()) == []


def test_a_fill_that_outlives_the_grace_is_continued_by_the_next_start(
    home: Path, upstream: FakeUpstream
) -> None:
    digest = upstream.add_blob(NAME, BLOB)
    upstream.misbehave(Fault(stall=Gate(), stall_at=HELD_AT), path="/blobs/", times=1)
    with _running(home, upstream, "1s") as mirror:
        with Download(mirror.address, NAME, digest) as download:
            download.read(MIB)
            stop = _Stop(mirror)
            download.read_all()
            assert download.size < len(BLOB)
            stop.join()
        assert stop.code == 0
        upstream.reset()

        mirror.start()
        with Download(mirror.address, NAME, digest) as again:
            assert again.read_all() == str(digest)

    (asked,) = upstream.seen("GET", "/blobs/")
    begun, _, end = (asked.header("range") or "").removeprefix("bytes=").partition("-")
    assert MIB <= int(begun) <= HELD_AT
    assert end == ""


def test_a_kept_alive_connection_gets_its_answer_and_is_told_to_close(
    home: Path, upstream: FakeUpstream
) -> None:
    digest = upstream.add_blob(NAME, BLOB)
    gate = Gate()
    upstream.misbehave(Fault(hold=gate), path="/blobs/")
    with (
        _running(home, upstream, ENOUGH) as mirror,
        closing(http.client.HTTPConnection(mirror.address, timeout=30)) as first,
        closing(http.client.HTTPConnection(mirror.address, timeout=30)) as kept,
    ):
        kept.request("GET", "/v2/")
        assert kept.getresponse().read() == b"{}"
        first.request("GET", f"/v2/{NAME}/blobs/{digest}")
        gate.wait_until_reached()
        stop = _Stop(mirror)
        eventually(lambda: _is_closed(mirror), "nobody is let in any more")

        kept.request("GET", "/v2/")
        answer = kept.getresponse()
        assert (answer.status, answer.headers["Connection"]) == (200, "close")
        assert answer.read() == b"{}"
        gate.open()
        assert first.getresponse().read() == BLOB
        stop.join()

    assert stop.code == 0


def test_silent_connections_hold_up_no_stop(home: Path, upstream: FakeUpstream) -> None:
    with _running(home, upstream, ENOUGH) as mirror:
        host, port = mirror.address.split(":")
        with (
            socket.create_connection((host, int(port))),
            socket.create_connection((host, int(port))) as used,
        ):
            used.sendall(b"GET /v2/ HTTP/1.1\r\nHost: m\r\n\r\n")
            assert used.recv(65536).startswith(b"HTTP/1.1 200 ")
            stop = _Stop(mirror)
            stop.join(30)

    assert stop.code == 0


def test_what_was_to_be_written_is_written(home: Path, upstream: FakeUpstream) -> None:
    upstream.add_image(NAME, "v1")
    with _running(home, upstream, ENOUGH) as mirror:
        httpx.get(f"{mirror.url}/v2/{NAME}/manifests/v1", trust_env=False, verify=NO_AUTHORITY)
        recorded = _checked_at(mirror)
        again = httpx.get(
            f"{mirror.url}/v2/{NAME}/manifests/v1", trust_env=False, verify=NO_AUTHORITY
        )
        assert again.headers["X-Cache"] == "REVALIDATED"
        stop = _Stop(mirror)
        stop.join()
        assert _checked_at(mirror) > recorded


def _checked_at(mirror: Mirror) -> str:
    ((moment,),) = database.rows(mirror.root, "SELECT checked_at FROM cache_tag")
    return str(moment)
