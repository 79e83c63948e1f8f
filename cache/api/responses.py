"""Answers: status, headers and bodies of manifests, blobs and lists."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from typing import BinaryIO
from urllib.parse import urlencode

from django.http import FileResponse, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

from cache.api.ranges import ByteRange, none_match, parse_range, range_applies
from cache.oci.digest import Digest
from cache.oci.errors import RegistryError
from cache.pull import Arriving, Body, Held, Outcome, read_arriving
from cache.pull.listings import Page
from cache.pull.manifests import ManifestAnswer

_BLOB_TYPE = "application/octet-stream"

#: Bytes per step where a file cannot leave through sendfile (TLS).
_FILE_STEP = 256 * 1024


def manifest_response(request: HttpRequest, answer: ManifestAnswer) -> HttpResponse:
    """A manifest, with RFC 9111's sections 5.1 and 5.5 for one that may be stale."""
    manifest = answer.manifest
    headers = _content_headers(manifest.digest, answer.outcome)
    if answer.outcome is Outcome.STALE:
        headers["Age"] = str(answer.age or 0)
    if none_match(request.headers.get("If-None-Match"), headers["ETag"]):
        return HttpResponse(status=304, headers=headers)
    headers["Content-Length"] = str(len(manifest.body))
    body = b"" if request.method == "HEAD" else manifest.body
    return HttpResponse(body, content_type=manifest.media_type, headers=headers)


def blob_head_response(request: HttpRequest, digest: Digest, size: int | None) -> HttpResponse:
    """What a GET of the whole blob would be headed with."""
    headers = _content_headers(digest, None) | {"Accept-Ranges": "bytes"}
    if none_match(request.headers.get("If-None-Match"), headers["ETag"]):
        return HttpResponse(status=304, headers=headers)
    if size is not None:
        headers["Content-Length"] = str(size)
    return HttpResponse(content_type=_BLOB_TYPE, headers=headers)


def blob_response(request: HttpRequest, blob: Held | Arriving) -> HttpResponseBase:
    """A blob or the one range of it that was asked for; raises RegistryError (416, 502, ...)."""
    outcome = Outcome.HIT if isinstance(blob, Held) else Outcome.MISS
    headers = _content_headers(blob.digest, outcome) | {"Accept-Ranges": "bytes"}
    if none_match(request.headers.get("If-None-Match"), headers["ETag"]):
        _close(blob)
        return HttpResponse(status=304, headers=headers)
    wanted = _wanted_range(request, blob, headers["ETag"])
    if wanted is not None:
        headers["Content-Range"] = f"bytes {wanted.start}-{wanted.stop - 1}/{blob.size}"
        headers["Content-Length"] = str(wanted.stop - wanted.start)
    elif blob.size is not None:
        headers["Content-Length"] = str(blob.size)
    status = 200 if wanted is None else 206
    if isinstance(blob, Held):
        blob.file.seek(wanted.start if wanted else 0)
        return _StoreFile(blob.file, status, headers)
    start, stop = (wanted.start, wanted.stop) if wanted else (0, None)
    length = int(headers["Content-Length"]) if "Content-Length" in headers else None
    stream = _Breakable(read_arriving(blob, start, stop), length)
    return StreamingHttpResponse(stream, _BLOB_TYPE, status, headers=headers)


def names_response(request: HttpRequest, body: dict[str, object], page: Page) -> HttpResponse:
    """A page of names; the Link header (RFC 8288) leads to the next one."""
    headers = outcome_headers(page.outcome)
    if page.more and page.names:
        query = {key: request.GET[key] for key in ("n", "ns") if key in request.GET}
        target = f"{request.path}?{urlencode(query | {'last': page.names[-1]})}"
        headers["Link"] = f'<{target}>; rel="next"'
    return HttpResponse(json.dumps(body), content_type="application/json", headers=headers)


def _content_headers(digest: Digest, outcome: Outcome | None) -> dict[str, str]:
    headers = {"Docker-Content-Digest": str(digest), "ETag": f'"{digest}"'}
    return headers | (outcome_headers(outcome) if outcome is not None else {})


def outcome_headers(outcome: Outcome) -> dict[str, str]:
    """How the answer came about; RFC 9111 section 5.5 for one that may be out of date."""
    headers = {"X-Cache": str(outcome)}
    if outcome is Outcome.STALE:
        headers["Warning"] = '110 - "Response is Stale"'
    return headers


def _wanted_range(request: HttpRequest, blob: Held | Arriving, etag: str) -> ByteRange | None:
    if blob.size is None or not range_applies(request.headers.get("If-Range"), etag):
        return None
    return parse_range(request.headers.get("Range"), blob.size)


def _close(blob: Held | Arriving) -> None:
    if isinstance(blob, Held):
        blob.file.close()


class _StoreFile(FileResponse):
    """A file from where it stands, for the server's sendfile: exactly Content-Length bytes."""

    block_size = _FILE_STEP

    def __init__(self, file: BinaryIO, status: int, headers: dict[str, str]) -> None:
        super().__init__(file, content_type=_BLOB_TYPE, status=status, headers=headers)
        self._file = file
        self._stop = file.tell() + int(headers["Content-Length"])

    def set_headers(self, filelike: object) -> None:
        """All headers are known already; Django's guesses from the file's name are not wanted."""

    def close(self) -> None:
        """The server is done, or the client gone; raises ``OSError`` if the file was cut meanwhile.

        sendfile says nothing of bytes that were not there, and the client would take the next
        answer on the connection for them: the error ends the connection.
        """
        is_cut = not self.closed and os.fstat(self._file.fileno()).st_size < self._stop
        super().close()
        if is_cut:
            raise OSError(errno.EIO, "the blob's file was cut while it was sent")


class _Breakable:
    """A body that, when it cannot be completed, breaks the connection off.

    Ending the iteration would tell the client that it has the whole. A reset connection is what
    the server takes for a client's end: it closes the socket and writes no traceback.
    """

    def __init__(self, body: Body, length: int | None) -> None:
        self._body = body
        self._length = length

    def __iter__(self) -> Iterator[bytes]:
        sent = 0
        try:
            for chunk in self._body:
                sent += len(chunk)
                yield chunk
        except RegistryError as error:
            raise ConnectionResetError(errno.ECONNRESET, error.message) from error
        if self._length not in (None, sent):
            raise ConnectionResetError(errno.ECONNRESET, "the body is not as long as announced")

    def close(self) -> None:
        """The client is done, or gone."""
        self._body.close()
