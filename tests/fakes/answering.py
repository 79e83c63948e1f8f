"""The fake registry's pull API: from a request to an answer, before anything goes wrong with it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote, urlencode

from cache.oci.media_types import OCI_INDEX

if TYPE_CHECKING:
    from tests.fakes.content import Repository
    from tests.fakes.record import Seen
    from tests.fakes.upstream import FakeUpstream

_ROUTE = re.compile(
    r"/v2/(?P<name>.+)/(?P<noun>manifests|blobs|referrers|tags)/(?P<reference>[^/]+)"
)
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes | memoryview = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    challenges: tuple[str, ...] = ()


_NO_PAGE = Answer(404, b"404 page not found\n", {"Content-Type": "text/plain"})


def refusal(status: int, code: str, challenges: tuple[str, ...] = ()) -> Answer:
    """An error in the OCI envelope."""
    body = json.dumps({"errors": [{"code": code, "message": code.lower()}]}).encode()
    return Answer(status, body, {"Content-Type": "application/json"}, challenges)


def answer(upstream: FakeUpstream, seen: Seen, *, ignore_range: bool) -> Answer:
    """What a registry that works would answer."""
    wanted_range = None if ignore_range else seen.header("range")
    if seen.path == "/token" and upstream.token_service is not None:
        return _token(upstream, seen)
    if seen.path.startswith("/cdn/"):
        return _cdn(upstream, seen, wanted_range)
    if seen.path == "/v2/":
        return _guarded(upstream, seen, None) or _json({})
    route = _ROUTE.fullmatch(seen.path)
    if route is None:
        return _NO_PAGE
    denied = _guarded(upstream, seen, route["name"])
    return denied or _registry(upstream, seen, route, wanted_range)


def _registry(
    upstream: FakeUpstream, seen: Seen, route: re.Match[str], wanted_range: str | None
) -> Answer:
    name, noun, reference = route["name"], route["noun"], route["reference"]
    repository = upstream.repositories.get(name)
    if repository is None:
        return refusal(404, "NAME_UNKNOWN")
    if noun == "blobs":
        return _blob(upstream, repository, reference, wanted_range)
    if noun == "manifests":
        return _manifest(upstream, repository, reference, seen)
    if noun == "tags" and reference == "list":
        return _tags(upstream, repository, name, seen)
    if noun == "referrers" and upstream.referrers_api:
        return _referrers(upstream, repository, reference, seen)
    return _NO_PAGE


def _json(value: object, headers: Mapping[str, str] | None = None) -> Answer:
    given = {"Content-Type": "application/json", **(headers or {})}
    return Answer(200, json.dumps(value).encode(), given)


def _guarded(upstream: FakeUpstream, seen: Seen, name: str | None) -> Answer | None:
    guard = upstream.guard
    if guard is None or guard.admits(seen.header("authorization"), name):
        return None
    challenges = upstream.raw_challenges or guard.challenges(name)
    return refusal(401, "UNAUTHORIZED", tuple(challenges))


def _token(upstream: FakeUpstream, seen: Seen) -> Answer:
    service = upstream.token_service
    assert service is not None
    if seen.method == "POST":
        if service.oauth2_status is not None:
            return refusal(service.oauth2_status, "UNSUPPORTED")
        issued = service.grant(seen.form)
        return refusal(400, "UNSUPPORTED") if issued is None else _json(issued)
    if not service.takes_get:
        return refusal(405, "UNSUPPORTED")
    issued = service.issue(seen.query, seen.header("authorization"))
    return refusal(401, "UNAUTHORIZED") if issued is None else _json(issued)


def _cdn(upstream: FakeUpstream, seen: Seen, wanted_range: str | None) -> Answer:
    # Like the storage behind real registries: a signed address and credentials exclude each other.
    if seen.header("authorization") is not None:
        return Answer(400, b"<Error>InvalidArgument</Error>", {"Content-Type": "application/xml"})
    signature = parse_qs(seen.query).get("signature", [""])[0]
    data = upstream.signed.get((unquote(seen.path.removeprefix("/cdn/")), signature))
    if data is None:
        return Answer(403, b"<Error>AccessDenied</Error>", {"Content-Type": "application/xml"})
    return _ranged(data, wanted_range, {"Content-Type": "application/octet-stream"})


def _blob(
    upstream: FakeUpstream, repository: Repository, digest: str, wanted_range: str | None
) -> Answer:
    data = repository.blobs.get(digest)
    if data is None:
        return refusal(404, "BLOB_UNKNOWN")
    if upstream.cdn is not None:
        location = upstream.cdn.sign(digest, data)
        return Answer(upstream.redirect_status, b"", {"Location": location})
    headers = {"Content-Type": "application/octet-stream", "Docker-Content-Digest": digest}
    return _ranged(data, wanted_range, headers)


def _ranged(data: bytes, wanted_range: str | None, headers: Mapping[str, str]) -> Answer:
    found = _RANGE.fullmatch(wanted_range or "")
    if found is None or found[0] == "bytes=-":
        return Answer(200, memoryview(data), headers)
    first, last = found[1], found[2]
    if not first:
        start, end = max(0, len(data) - int(last)), len(data)
    else:
        start, end = int(first), min(len(data), int(last) + 1 if last else len(data))
    if start >= end:
        return Answer(416, b"", {"Content-Range": f"bytes */{len(data)}"})
    span = {"Content-Range": f"bytes {start}-{end - 1}/{len(data)}"}
    return Answer(206, memoryview(data)[start:end], {**headers, **span})


def _manifest(upstream: FakeUpstream, repository: Repository, reference: str, seen: Seen) -> Answer:
    manifest = repository.manifest(reference)
    accept = seen.header("accept") or ""
    if manifest is None or (upstream.strict_accept and manifest.media_type not in accept):
        return refusal(404, "MANIFEST_UNKNOWN")
    headers = {
        "Content-Type": manifest.media_type,
        "Docker-Content-Digest": str(manifest.digest),
        **upstream.manifest_headers,
    }
    return Answer(200, manifest.body, headers)


def _tags(upstream: FakeUpstream, repository: Repository, name: str, seen: Seen) -> Answer:
    query = parse_qs(seen.query)
    tags = sorted(repository.tags)
    headers = {}
    if upstream.tags_paging:
        tags = [tag for tag in tags if tag > query.get("last", [""])[0]]
        count = int(query["n"][0]) if "n" in query else len(tags)
        if count < len(tags):
            tags = tags[:count]
            following = urlencode({"n": count, "last": tags[-1] if tags else ""})
            headers["Link"] = f'</v2/{name}/tags/list?{following}>; rel="next"'
    return _json({"name": name, "tags": tags}, headers)


def _referrers(upstream: FakeUpstream, repository: Repository, subject: str, seen: Seen) -> Answer:
    wanted = parse_qs(seen.query).get("artifactType", [None])[0]
    if not upstream.referrers_filtering:
        wanted = None
    index = {
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": repository.referrers(subject, wanted),
    }
    headers = {"Content-Type": OCI_INDEX}
    if wanted is not None:
        headers["OCI-Filters-Applied"] = "artifactType"
    return _json(index, headers)
