"""Answers: status, headers and bodies of manifests, blobs and lists."""

from __future__ import annotations

import functools
import json
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from cache.api.bodies import BlobBody, BlobResponse, OnEnd
from cache.api.handing_over import handed_over
from cache.api.headers import PulledHeaders, headed
from cache.api.path_tokens import PATH_TOKEN
from cache.api.ranges import ByteRange, none_match, parse_range, range_applies
from cache.oci.digest import Digest
from cache.pull import Arriving, Held, Outcome, Stat, read_blob
from cache.pull.listings import Page
from cache.pull.manifests import ManifestAnswer

BLOB_TYPE = "application/octet-stream"

#: The heads of so many manifests are kept, of one or two kilobytes each.
_HEADS_KEPT = 2048


def manifest_response(request: HttpRequest, answer: ManifestAnswer) -> HttpResponse:
    """A manifest, with RFC 9111's sections 5.1 and 5.5 for one that may be stale."""
    manifest = answer.manifest
    head = _manifest_head(manifest.digest, manifest.media_type, len(manifest.body), answer.outcome)
    if answer.outcome is Outcome.STALE:
        head = head.copy()
        head["Age"] = str(answer.age or 0)
    if none_match(request.META.get("HTTP_IF_NONE_MATCH"), head["ETag"]):
        headers = {**head}
        del headers["Content-Length"], headers["Content-Type"]
        return HttpResponse(status=304, headers=headers)
    return headed(HttpResponse(b"" if request.method == "HEAD" else manifest.body), head)


@functools.lru_cache(_HEADS_KEPT)
def _manifest_head(digest: Digest, media_type: str, length: int, outcome: Outcome) -> PulledHeaders:
    """Made once for what is pulled much."""
    headers = _content_headers(digest, outcome)
    headers["Content-Length"] = str(length)
    headers["Content-Type"] = media_type
    return PulledHeaders(headers)


def blob_head_response(request: HttpRequest, digest: Digest, stat: Stat) -> HttpResponse:
    """What a GET of the whole blob would be headed with."""
    headers = _content_headers(digest, stat.outcome) | {"Accept-Ranges": "bytes"}
    if none_match(request.META.get("HTTP_IF_NONE_MATCH"), headers["ETag"]):
        return HttpResponse(status=304, headers=headers)
    if stat.size is not None:
        headers["Content-Length"] = str(stat.size)
    return HttpResponse(content_type=BLOB_TYPE, headers=headers)


def blob_response(request: HttpRequest, blob: Held | Arriving, on_end: OnEnd) -> HttpResponseBase:
    """A blob or the one range of it that was asked for; raises RegistryError (416, 502, ...).

    ``on_end`` is not called for an answer without a body.
    """
    outcome = blob.outcome if isinstance(blob, Held) else Outcome.MISS
    headers = _content_headers(blob.digest, outcome) | {"Accept-Ranges": "bytes"}
    if none_match(request.META.get("HTTP_IF_NONE_MATCH"), headers["ETag"]):
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
        answer = handed_over(request, blob, wanted, headers)
        if answer is not None:
            answer.headers["Content-Type"] = BLOB_TYPE
            # What nginx sends of it, and whether the client took it, nobody tells us.
            on_end(int(headers["Content-Length"]))
            return answer
    start, stop = (wanted.start, wanted.stop) if wanted else (0, None)
    length = int(headers["Content-Length"]) if "Content-Length" in headers else None
    body = BlobBody(read_blob(blob, start, stop), length, on_end)
    return BlobResponse(body, BLOB_TYPE, status, headers)


def names_response(request: HttpRequest, body: dict[str, object], page: Page) -> HttpResponse:
    """A page of names; the Link header (RFC 8288) leads to the next one."""
    headers = outcome_headers(page.outcome)
    if page.more and page.names:
        query = {key: request.GET[key] for key in ("n", "ns") if key in request.GET}
        # Below an access token in the path, the path is none that a client could ask for.
        path = "" if PATH_TOKEN in request.META else request.path
        target = f"{path}?{urlencode(query | {'last': page.names[-1]})}"
        headers["Link"] = f'<{target}>; rel="next"'
    return HttpResponse(json.dumps(body), content_type="application/json", headers=headers)


def _content_headers(digest: Digest, outcome: Outcome) -> dict[str, str]:
    headers = {"Docker-Content-Digest": str(digest), "ETag": f'"{digest}"'}
    return headers | outcome_headers(outcome)


def outcome_headers(outcome: Outcome) -> dict[str, str]:
    """How the answer came about; RFC 9111 section 5.5 for one that may be out of date."""
    headers = {"X-Cache": str(outcome)}
    if outcome is Outcome.STALE:
        headers["Warning"] = '110 - "Response is Stale"'
    return headers


def _wanted_range(request: HttpRequest, blob: Held | Arriving, etag: str) -> ByteRange | None:
    if blob.size is None or not range_applies(request.META.get("HTTP_IF_RANGE"), etag):
        return None
    return parse_range(request.META.get("HTTP_RANGE"), blob.size)


def _close(blob: Held | Arriving) -> None:
    if isinstance(blob, Held):
        blob.file.close()
