"""Pulls pass Django's routes and middleware by; what a client gets is the same, to the byte.

So is what others hear of the request at its end, and what is counted of it.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from ipaddress import ip_network
from typing import Any

import pytest
from django.core.handlers.wsgi import WSGIHandler

from cache import request, runtime
from cache.access import machine_tokens, users
from cache.api.hot import answering_pulls
from cache.api.path_tokens import PATH_TOKEN
from cache.api.request_ids import REQUEST, naming_requests
from cache.oci.digest import Digest
from cache.oci.repository import Repository
from cache.runtime import Runtime
from cache.tally import Counts
from tests.fakes.upstream import FakeUpstream
from tests.pull.holding import hold_blob

NAME = "library/thing"
BLOB = b"some bytes"
ABSENT = "sha256:" + 64 * "0"

#: Django ends its connections around a request, which no test's transaction outlives.
pytestmark = pytest.mark.django_db(transaction=True)

ACCEL = {"HTTP_X_SENDFILE_TYPE": "X-Accel-Redirect"}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a client got, and what was heard and counted of its request."""

    status: str
    fields: list[tuple[str, str]]
    content: bytes
    heard: request.Request
    counted: Mapping[Repository, Counts]


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


@pytest.fixture
def behind(mirror: Runtime) -> Runtime:
    """The mirror behind a proxy that it may hand blobs over to."""
    trusted = (ip_network("127.0.0.1/32"),)
    http = replace(mirror.config.http, trusted_proxies=trusted, accel_prefix="/_store/")
    return replace(mirror, config=replace(mirror.config, http=http))


@pytest.fixture(autouse=True)
def _no_request_stays() -> Iterator[None]:
    yield
    request.begin(None)


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
        {"HTTP_X_REQUEST_ID": "of-the-client"},
        {PATH_TOKEN: "nonsense"},
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


@pytest.mark.parametrize("what", ["manifest", "tag", "blob"])
def test_those_who_hear_of_a_request_hear_all(
    mirror: Runtime, paths: dict[str, str], what: str
) -> None:
    token = machine_tokens.create(users.create("alice", None), "ci")

    _both(paths[what], "GET")

    short, long = _both(paths[what], "GET", HTTP_AUTHORIZATION=f"Bearer {token}")

    heard = short.heard
    assert heard == long.heard
    assert (heard.user, heard.method, heard.path) == ("alice", "GET", paths[what])
    assert str(heard.repository).endswith(NAME)
    assert heard.reference == paths[what].rpartition("/")[2]
    assert heard.outcome in ("HIT", "REVALIDATED")
    assert dict(short.fields)[request.HEADER] == heard.id
    [counts] = short.counted.values()
    assert (counts.requests, counts.served) == (1, len(short.content))


def test_a_long_reference_is_heard_of_in_part(paths: dict[str, str]) -> None:
    short, long = _both(f"/v2/{NAME}/manifests/{1000 * 'a'}", "GET")

    assert short == long
    assert 0 < len(short.heard.reference) < 1000


@pytest.mark.parametrize("headers", [ACCEL, {**ACCEL, "HTTP_RANGE": "bytes=2-5"}], ids=str)
def test_a_blob_is_left_to_the_proxy_in_front(
    behind: Runtime, paths: dict[str, str], headers: dict[str, str]
) -> None:
    with runtime.using(behind):
        short, long = _both(paths["blob"], "GET", **headers)

    assert short == long
    assert dict(short.fields)["X-Accel-Redirect"].startswith("/_store/")
    assert short.content == b""
    [counts] = short.counted.values()
    assert counts.served == (4 if "HTTP_RANGE" in headers else len(BLOB))


def test_a_pull_is_that_of_the_client_behind_the_proxy(
    behind: Runtime, paths: dict[str, str]
) -> None:
    with runtime.using(behind):
        _both(paths["tag"], "GET", HTTP_X_FORWARDED_FOR="192.0.2.7", HTTP_USER_AGENT="a test/1")

    pulls = [(pull.client, pull.agent) for pull in behind.tally.last_pulls()]
    assert pulls == 2 * [("192.0.2.7", "a test/1")]


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


def test_a_mirror_below_another_path_goes_the_long_way(paths: dict[str, str]) -> None:
    with pytest.raises(_Elsewhere):
        _ask(answering_pulls(_hand_on), paths["tag"], "GET", SCRIPT_NAME="/mirror")


def test_a_file_is_left_to_the_server_and_closed_by_it(paths: dict[str, str]) -> None:
    body: Any = answering_pulls(_hand_on)(_environ(paths["blob"], "GET"), _no_start)
    (span,) = body.pieces()
    assert (os.pread(span.fd, span.length, span.offset), span.offset) == (BLOB, 0)

    body.close()

    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(span.fd)


def test_a_file_that_was_cut_meanwhile_is_told_of(mirror: Runtime, paths: dict[str, str]) -> None:
    body: Any = answering_pulls(_hand_on)(_environ(paths["blob"], "GET"), _no_start)
    digits = Digest.of(BLOB).hex
    os.truncate(mirror.config.storage.root / "blobs" / "sha256" / digits[:2] / digits, 1)

    with pytest.raises(OSError, match="cut"):
        list(body)
    body.close()


def test_a_file_is_closed_whose_answer_cannot_begin(paths: dict[str, str], mirror: Runtime) -> None:
    def refuse(*_: Any) -> None:
        raise ValueError("a header is none")

    with pytest.raises(ValueError, match="is none") as caught:
        answering_pulls(_hand_on)(_environ(paths["blob"], "GET"), refuse)

    assert not mirror.store.is_read(Digest.of(BLOB)), caught


def _both(path: str, method: str, **headers: str) -> tuple[Answer, Answer]:
    named = {"HTTP_X_REQUEST_ID": "of-the-test", **headers}
    short = _ask(answering_pulls(_hand_on), path, method, **named)
    long = _ask(WSGIHandler(), path, method, **named)
    return short, long


def _ask(application: Any, path: str, method: str, **headers: str) -> Answer:
    said: list[Any] = []
    environ = _environ(path, method, **headers)
    tally = runtime.current().tally
    tally.take()

    def start(status: str, fields: list[tuple[str, str]]) -> None:
        said[:] = [status, sorted(fields)]

    body = naming_requests(application)(environ, start)
    try:
        content = b"".join(body)
    finally:
        if hasattr(body, "close"):
            body.close()
    status, fields = said
    return Answer(status, fields, content, environ[REQUEST], tally.take())


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
        **headers,
    }


def _hand_on(_environ: dict[str, Any], _start: Any) -> Iterable[bytes]:
    raise _Elsewhere


def _no_start(*_: Any) -> None:
    pass
