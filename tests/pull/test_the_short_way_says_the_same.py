"""Pulls pass Django's routes and middleware by; what a client gets is the same, to the byte."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable
from typing import Any
from wsgiref.util import FileWrapper

import pytest
from django.core.handlers.wsgi import WSGIHandler

from cache.api.hot import answering_pulls
from cache.oci.digest import Digest
from cache.runtime import Runtime
from tests.fakes.upstream import FakeUpstream
from tests.pull.holding import hold_blob

NAME = "library/thing"
BLOB = b"some bytes"
ABSENT = "sha256:" + 64 * "0"

Answer = tuple[str, list[tuple[str, str]], bytes]


class _Elsewhere(Exception):
    """The request was handed on."""


@pytest.fixture
def paths(mirror: Runtime, upstream: FakeUpstream) -> dict[str, str]:
    image = upstream.add_image(NAME, "v1")
    held = hold_blob(mirror, NAME, BLOB)
    return {
        "manifest": f"/v2/{NAME}/manifests/{image.digest}",
        "tag": f"/v2/{NAME}/manifests/v1",
        "no tag": f"/v2/{NAME}/manifests/v2",
        "blob": f"/v2/{NAME}/blobs/{held}",
        "no blob": f"/v2/{NAME}/blobs/{ABSENT}",
        "no digest": f"/v2/{NAME}/blobs/nonsense",
        "no name": f"/v2/Upper/manifests/{image.digest}",
        "a telling name": f"/v2/a/blobs/b/manifests/c/manifests/{image.digest}",
    }


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    "what",
    ["manifest", "tag", "no tag", "blob", "no blob", "no digest", "no name", "a telling name"],
)
def test_whatever_the_answer_is(paths: dict[str, str], method: str, what: str) -> None:
    _both(paths[what], "GET")  # the first time is another: it asks upstream
    short, long = _both(paths[what], method)
    assert short == long


@pytest.mark.parametrize(
    "headers",
    [
        {"HTTP_RANGE": "bytes=2-5"},
        {"HTTP_RANGE": "bytes=99-"},
        {"HTTP_RANGE": "bytes=2-5", "HTTP_IF_RANGE": '"other"'},
        {"HTTP_IF_NONE_MATCH": "*"},
        {"HTTP_ACCEPT": "text/plain"},
        {"QUERY_STRING": "ns=nowhere.example"},
        {"HTTP_AUTHORIZATION": "Bearer nonsense"},
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("what", ["manifest", "blob"])
def test_whatever_is_said_besides(
    paths: dict[str, str], what: str, headers: dict[str, str]
) -> None:
    _both(paths[what], "GET")
    short, long = _both(paths[what], "GET", **headers)
    assert short == long


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v2/"),
        ("GET", f"/v2/{NAME}/tags/list"),
        ("GET", f"/v2/{NAME}/manifests/"),
        ("GET", f"/v2/{NAME}/blobs/{ABSENT}/more"),
        ("GET", f"/v2/caf\u00c3\u00a9/blobs/{ABSENT}"),
        ("GET", f"/v2/{NAME}/blobs/{ABSENT}\n"),
        ("PUT", f"/v2/{NAME}/manifests/v1"),
        ("GET", f"/dashboard/v2/{NAME}/manifests/v1"),
        ("GET", "/"),
    ],
)
def test_all_else_goes_the_long_way(method: str, path: str) -> None:
    with pytest.raises(_Elsewhere):
        _ask(answering_pulls(_hand_on), path, method)


def test_who_signs_in_with_a_password_goes_the_long_way(paths: dict[str, str]) -> None:
    """As the database is asked in other ways then, after which Django puts connections away."""
    with pytest.raises(_Elsewhere):
        _ask(answering_pulls(_hand_on), paths["tag"], "GET", HTTP_AUTHORIZATION="basic YTpi")


def test_a_file_is_left_to_the_server_and_closed_by_it(paths: dict[str, str]) -> None:
    wrapped: Any = answering_pulls(_hand_on)(_environ(paths["blob"], "GET"), _no_start)
    assert isinstance(wrapped, FileWrapper)
    file = wrapped.filelike
    assert file.fileno() >= 0

    wrapped.close()

    with pytest.raises(ValueError, match="closed"):
        file.fileno()


def test_a_file_that_was_cut_meanwhile_is_told_of(mirror: Runtime, paths: dict[str, str]) -> None:
    wrapped: Any = answering_pulls(_hand_on)(_environ(paths["blob"], "GET"), _no_start)
    digits = Digest.of(BLOB).hex
    os.truncate(mirror.config.storage.root / "blobs" / "sha256" / digits[:2] / digits, 1)

    with pytest.raises(OSError, match="cut"):
        wrapped.close()


def _both(path: str, method: str, **headers: str) -> tuple[Answer, Answer]:
    short = _ask(answering_pulls(_hand_on), path, method, **headers)
    long = _ask(WSGIHandler(), path, method, **headers)
    return short, long


def _ask(application: Any, path: str, method: str, **headers: str) -> Answer:
    said: list[Any] = []

    def start(status: str, fields: list[tuple[str, str]]) -> None:
        said[:] = [status, sorted(fields)]

    body = application(_environ(path, method, **headers), start)
    try:
        content = b"".join(body)
    finally:
        if hasattr(body, "close"):
            body.close()
    status, fields = said
    return status, fields, content


def _environ(path: str, method: str, **headers: str) -> dict[str, Any]:
    return {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "5000",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.input": io.BytesIO(),
        "wsgi.url_scheme": "http",
        "wsgi.file_wrapper": FileWrapper,
        **headers,
    }


def _hand_on(_environ: dict[str, Any], _start: Any) -> Iterable[bytes]:
    raise _Elsewhere


def _no_start(*_: Any) -> None:
    pass
