"""Of a long blob, all but the first piece comes from the connection as it is."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from cache.oci.digest import Digest
from cache.upstream.endpoint import Endpoint
from cache.upstream.errors import Interrupted, TimedOut
from cache.upstream.reply import BULK
from cache.upstream.transport import Transport
from tests.e2e.parts import require
from tests.fakes.certificates import Authority
from tests.fakes.faults import Fault, Gate
from tests.fakes.upstream import FakeUpstream
from tests.upstream.conftest import Connect
from tests.upstream.names import ALPINE, LATEST

LENGTH = BULK + 3_000_000
CUT = LENGTH - 1_000_000
BLOB = random.Random(0).randbytes(LENGTH)


@pytest.fixture
def digest(registry: FakeUpstream) -> Digest:
    return registry.add_blob("library/alpine", BLOB)


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.open()


@pytest.mark.parametrize("fault", [Fault(), Fault(chunked=True), Fault(until_close=True)])
def test_every_byte_comes_however_it_is_framed(
    registry: FakeUpstream, connect: Connect, digest: Digest, fault: Fault
) -> None:
    registry.misbehave(fault)

    with connect(registry).open_blob(ALPINE, digest) as stream:
        received = hashlib.sha256(b"".join(map(bytes, stream.chunks)))

    assert received.hexdigest() == digest.hex


def test_the_rest_of_one(registry: FakeUpstream, connect: Connect, digest: Digest) -> None:
    with connect(registry).open_blob(ALPINE, digest, 1_000_000) as stream:
        assert b"".join(map(bytes, stream.chunks)) == BLOB[1_000_000:]


def test_the_next_request_is_not_answered_with_what_is_left(
    registry: FakeUpstream, connect: Connect, digest: Digest
) -> None:
    small = registry.add_blob("library/alpine", b"small")
    upstream = connect(registry)
    with upstream.open_blob(ALPINE, digest) as stream:
        chunks = iter(stream.chunks)
        next(chunks)
        assert len(next(chunks)) > 0

    with upstream.open_blob(ALPINE, small) as stream:
        assert b"".join(map(bytes, stream.chunks)) == b"small"


@pytest.mark.parametrize("reset", [True, False])
def test_a_cut(registry: FakeUpstream, connect: Connect, digest: Digest, reset: bool) -> None:
    registry.misbehave(Fault(cut_after=CUT, reset=reset))
    received: list[int] = []

    with (
        pytest.raises(Interrupted, match="broke off in the middle") as raised,
        connect(registry).open_blob(ALPINE, digest) as stream,
    ):
        received.extend(map(len, stream.chunks))

    assert raised.value.retryable
    assert BULK / 2 < sum(received) <= CUT


def test_a_stall(registry: FakeUpstream, connect: Connect, digest: Digest, gate: Gate) -> None:
    registry.misbehave(Fault(stall=gate, stall_at=CUT))
    received: list[int] = []

    with (
        pytest.raises(Interrupted, match="stopped sending"),
        connect(registry, stall_timeout=0.2).open_blob(ALPINE, digest) as stream,
    ):
        received.extend(map(len, stream.chunks))

    assert sum(received) == CUT


@pytest.fixture
def over_tls(tmp_path: Path) -> Iterator[tuple[FakeUpstream, Path]]:
    """A registry that speaks TLS, and who vouches for it."""
    require("openssl")
    authority = Authority.make(tmp_path)
    with FakeUpstream("127.0.0.1", authority.server("127.0.0.1")) as fake:
        yield fake, authority.ca


def test_over_tls(over_tls: tuple[FakeUpstream, Path], connect: Connect) -> None:
    registry, ca = over_tls
    digest = registry.add_blob("library/alpine", BLOB)

    with connect(registry, ca=ca).open_blob(ALPINE, digest) as stream:
        received = hashlib.sha256(b"".join(map(bytes, stream.chunks)))

    assert received.hexdigest() == digest.hex


@pytest.mark.parametrize("reset", [True, False])
def test_a_cut_over_tls(over_tls: tuple[FakeUpstream, Path], connect: Connect, reset: bool) -> None:
    registry, ca = over_tls
    digest = registry.add_blob("library/alpine", BLOB)
    registry.misbehave(Fault(cut_after=CUT, reset=reset))

    with (
        pytest.raises(Interrupted, match="broke off in the middle"),
        connect(registry, ca=ca).open_blob(ALPINE, digest) as stream,
    ):
        assert sum(map(len, stream.chunks)) <= CUT


def test_a_document_that_is_said_to_be_long_and_stalls(
    registry: FakeUpstream, connect: Connect, gate: Gate
) -> None:
    registry.add_image("library/alpine", "latest")
    registry.misbehave(Fault(stall=gate, stall_at=10, headers={"Content-Length": str(2 * BULK)}))

    with pytest.raises(TimedOut):
        connect(registry, stall_timeout=0.2).get_manifest(ALPINE, LATEST)


def test_nothing_is_awaited_after_an_answer_that_has_no_body(
    registry: FakeUpstream, digest: Digest
) -> None:
    """It tells the length of what a GET would bring (RFC 9110, 9.3.2)."""
    transport = Transport(Endpoint(registry.url, stall_timeout=0.2))
    url = httpx.URL(f"{registry.url}/v2/{ALPINE}/blobs/{digest}")

    with closing(transport), transport.open("HEAD", url, {}, None) as reply:
        assert reply.header("Content-Length") == str(LENGTH)
        assert list(reply.chunks()) == []


def test_the_parser_has_no_part_in_it(
    registry: FakeUpstream, connect: Connect, digest: Digest
) -> None:
    """It would take the connection for one that can be used again."""
    upstream = connect(registry)
    for _ in range(2):
        with upstream.open_blob(ALPINE, digest) as stream:
            assert sum(map(len, stream.chunks)) == LENGTH

    first, second = registry.requests
    assert first.client != second.client
