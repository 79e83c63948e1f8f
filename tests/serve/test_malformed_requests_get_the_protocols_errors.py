"""Bytes that never become a request are refused in the OCI envelope, by both parsers."""

from __future__ import annotations

import json

import pytest

from tests.serve.conftest import Mirror, Start

BAD = [
    b"\x16\x03\x01\x02\x00\x01\r\n\r\n",
    b"nonsense\r\n\r\n",
    b"GET\r\n\r\n",
    b"GET / HTTP/9.9\r\nHost: m\r\n\r\n",
    b"G\x01T / HTTP/1.1\r\nHost: m\r\n\r\n",
    b"GET / HTTP/1.1\r\nNo colon\r\n\r\n",
    b"GET / HTTP/1.1\r\nBad Name: x\r\n\r\n",
    b"GET / HTTP/1.1\r\nX: a\x00b\r\n\r\n",
    b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
    b"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
]
CODING = b"GET / HTTP/1.1\r\nTransfer-Encoding: nonsense\r\n\r\n"
LONG_LINE = b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: m\r\n\r\n"
LONG_HEADER = b"GET / HTTP/1.1\r\nX: " + b"a" * 20_000 + b"\r\n\r\n"
MANY_HEADERS = b"GET / HTTP/1.1\r\n" + b"X: a\r\n" * 200 + b"\r\n"
EXPECTATION = b"POST / HTTP/1.1\r\nHost: m\r\nExpect: miracles\r\n\r\n"

# The C parser calls an unknown transfer coding bad, the Python one unsupported (RFC 9112, 6.1).
STATUSES = {
    **{request: {400} for request in BAD},
    CODING: {400, 501},
    LONG_LINE: {414},
    LONG_HEADER: {431},
    MANY_HEADERS: {431},
    EXPECTATION: {417},
}


@pytest.mark.parametrize("parser", ["auto", "python"])
def test_the_answer_is_an_envelope_with_a_status_of_the_clients(start: Start, parser: str) -> None:
    mirror = start(GUNICORN_CMD_ARGS=f"--http-parser {parser}")
    mirror.wait_until_it_answers()

    for request, statuses in STATUSES.items():
        answer = mirror.say(request)

        head, _, body = answer.partition(b"\r\n\r\n")
        assert int(head.split()[1]) in statuses, (request[:60], head)
        assert b"application/json" in head
        assert f"Content-Length: {len(body)}".encode() in head
        (error,) = json.loads(body)["errors"]
        assert error["code"].isupper()
        assert error["message"]
    assert "Traceback" not in mirror.errors


def test_the_mirror_goes_on_afterwards(mirror: Mirror) -> None:
    for _ in range(30):
        mirror.say(b"nonsense\r\n\r\n")

    assert mirror.get("/somewhere").startswith(b"HTTP/1.1 404 ")
