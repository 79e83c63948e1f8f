"""Where a request ends is never open to interpretation: RFC 9112 sections 6.3 and 11.2.

A proxy in front that sees one request where the mirror sees two would let its clients say things
to the mirror, or get answers of it, that are not theirs.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.clients import Client, Scene, assert_calm, scene

SMUGGLED = b"GET /v2/smuggled/manifests/x HTTP/1.1\r\nHost: m\r\n\r\n"
POST = b"POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: m\r\n"

# Each is followed by SMUGGLED.
AMBIGUOUS = [
    POST + b"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    POST + b"Content-Length: 0\r\nContent-Length: 50\r\n\r\n",
    POST + b"Content-Length: +0\r\n\r\n",
    POST + b"Content-Length: 0x0\r\n\r\n",
    POST + b"Content-Length: 0, 50\r\n\r\n",
    POST + b"Content-Length: -1\r\n\r\n",
    POST + b"Content-Length: \xb2\r\n\r\n",
    POST + b"Content-Length : 0\r\n\r\n",
    POST + b"Content-Length\x00: 0\r\n\r\n",
    POST + b" Content-Length: 0\r\n\r\n",
    POST + b"X: a\r\n Content-Length: 0\r\n\r\n",
    POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    POST + b"Transfer-Encoding: chunked\r\n\r\nx\r\n\r\n",
    POST + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n",
    POST + b"Transfer-Encoding: chunked\r\n\r\n+0\r\n\r\n",
    POST + b"Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n",
    POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n",
    POST.replace(b"HTTP/1.1", b"HTTP/1.0") + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"GET /v2/ HTTP/1.1\r\nHost: m\r\nX: a\rGET /v2/b HTTP/1.1\r\n\r\n",
    b"GET /v2/ HTTP/1.1\r\nHost: m\r\nX: a\nY: b\x00\r\n\r\n",
]


@pytest.fixture(scope="module", params=["auto", "python"])
def parsed(request: pytest.FixtureRequest) -> Iterator[Scene]:
    """A mirror with each of gunicorn's parsers."""
    with scene(GUNICORN_CMD_ARGS=f"--http-parser {request.param}") as found:
        yield found


@pytest.mark.parametrize("ambiguous", AMBIGUOUS)
def test_what_follows_an_ambiguous_request_is_not_read(parsed: Scene, ambiguous: bytes) -> None:
    with Client(parsed.mirror) as client:
        client.say(ambiguous + SMUGGLED)

        answer = client.rest()

    assert answer.count(b"HTTP/1.1 ") <= 1
    assert answer[9:10] in (b"", b"4", b"5")
    assert not answer.startswith((b"HTTP/1.1 500", b"HTTP/1.1 502"))
    assert parsed.upstream.count(path="smuggled") == 0
    assert_calm(parsed.mirror)


@pytest.mark.parametrize(
    "clear",
    [
        POST + b"Content-Length: 3\r\n\r\nabc",
        POST + b"Transfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\n\r\n",
        b"GET /v2/ HTTP/1.1\r\nHost: m\r\n\r\n",
    ],
)
def test_what_follows_a_clear_one_is_the_next_request(parsed: Scene, clear: bytes) -> None:
    with Client(parsed.mirror) as client:
        client.say(clear + b"GET /v2/ HTTP/1.1\r\nHost: m\r\nConnection: close\r\n\r\n")

        answer = client.rest()

    assert answer.count(b"HTTP/1.1 ") == 2
    assert answer.endswith(b"\r\n\r\n{}")
