"""The pull side of the OCI Distribution Specification 1.1, spoken to one upstream."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx

from cache import meters
from cache.meters import families
from cache.oci.digest import Digest
from cache.oci.manifest import MAX_MANIFEST_BYTES
from cache.oci.media_types import ACCEPT, OCI_INDEX, media_type_of
from cache.upstream.answers import (
    BlobStream,
    ManifestBody,
    ManifestHead,
    ReferrersAnswer,
    blob_stream,
    content_length,
    content_type,
    date_of,
    manifest_digest,
    next_page,
    parse_content_range,
    range_rejected,
    refuse_html,
    tag_names,
)
from cache.upstream.authentication import Authenticator
from cache.upstream.bandwidth import Bandwidth
from cache.upstream.credentials import source_of
from cache.upstream.endpoint import Endpoint
from cache.upstream.errors import (
    BadAnswer,
    Denied,
    NotFound,
    RangeRejected,
    TooLarge,
    UpstreamError,
)
from cache.upstream.quota import Kind, Ledger, Quota
from cache.upstream.referrers import MOST_PAGES, Page, join_pages, read_page
from cache.upstream.reply import Reply
from cache.upstream.statuses import check_status
from cache.upstream.tokens import TokenCache
from cache.upstream.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    from cache.memory import Memory
    from cache.oci.reference import RepositoryName, Tag

__all__ = [
    "BlobStream",
    "Endpoint",
    "ManifestBody",
    "ManifestHead",
    "ReferrersAnswer",
    "Upstream",
]

LONGEST_LIST = 8 * 1024 * 1024
TAGS_PER_PAGE = 1000
MOST_TAG_PAGES = 200

# Besides 404, what registries without an API, or without its HEAD, answer.
_UNSUPPORTED = frozenset({405, 501})


class _HeadRefused(UpstreamError):
    """No HEAD for blobs here; caught where it is raised for."""

    kind = "head_refused"


@dataclass(frozen=True, slots=True)
class _Asker:
    """Who asks: ourselves, or anybody."""

    authenticator: Authenticator
    ledger: Ledger


class Upstream:
    """A registry that we mirror. One for each process; thread-safe; connects when first asked.

    All methods raise `cache.upstream.errors.UpstreamError` and nothing else. `memory` holds what
    the processes of one mirror share. `now` is a monotonic clock in seconds: what a helper said
    ages by it. `clock` is Unix time in seconds: tokens age and quotas are renewed by it, as both
    are shared and outlive the process. `bandwidth` bounds transfers in place of the endpoint's.
    `returned` is called, by a thread of its own, when an upstream that gave no answer for a while
    gives one again, though nobody asked it for anything.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        memory: Memory | None = None,
        now: Callable[[], float] = time.monotonic,
        clock: Callable[[], float] = time.time,
        bandwidth: Bandwidth | None = None,
        returned: Callable[[], None] = lambda: None,
    ) -> None:
        self.endpoint = endpoint
        self._memory = memory
        if bandwidth is None and endpoint.bandwidth is not None:
            bandwidth = Bandwidth(endpoint.bandwidth, endpoint.url, memory)
        self._transport = Transport(endpoint, bandwidth, returned)
        tokens = TokenCache(clock, memory)

        def asker(endpoint: Endpoint) -> _Asker:
            ledger = Ledger(endpoint, memory, clock)
            source = source_of(endpoint, now)
            return _Asker(Authenticator(endpoint, self._transport, ledger, tokens, source), ledger)

        self._ourselves = asker(endpoint)
        # Whose quota it is depends on who asks, too.
        self._anybody = asker(endpoint.anybodys) if endpoint.has_credentials else self._ourselves
        self._blob_head_works = True

    @property
    def is_away(self) -> bool:
        """Whether upstream has not answered this process lately; asks nobody."""
        return self._transport.is_away

    def close(self) -> None:
        """Close all connections, for good."""
        self._transport.close()

    def retire(self) -> None:
        """Another one takes its place: ask no more whether upstream is back."""
        self._transport.retire()

    def release(self) -> bool:
        """Close all connections if none is in use, and say if so; who needs one makes it anew."""
        return self._transport.release()

    def quota(self) -> Quota:
        """What is known of our quota there; asks nobody."""
        return self._ourselves.ledger.quota()

    def ping(self) -> datetime | None:
        """Return if upstream is a registry and takes us, anonymous or signed in.

        Answers what time it is there, if it says so (RFC 9110, section 6.6.1).
        """
        with self._exchange("GET", self._url(""), None) as reply:
            check_status(reply, "API")
            refuse_html(reply)
            reply.discard()
            return date_of(reply)

    def head_manifest(self, name: RepositoryName, reference: Tag | Digest) -> ManifestHead:
        """What upstream has there, without taking it: Docker Hub does not count this.

        All None from a registry that has no HEAD for manifests.
        """
        url, headers = self._url(f"{name}/manifests/{reference}"), {"Accept": ACCEPT}
        with self._exchange("HEAD", url, name, headers) as reply:
            if reply.status in _UNSUPPORTED:
                return ManifestHead(None, None, None)
            check_status(reply, _manifest(name, reference))
            refuse_html(reply)
            digest = manifest_digest(reply, reference)
            reply.discard()
            media_type = media_type_of(content_type(reply)) or None
            return ManifestHead(digest, media_type, content_length(reply))

    def is_public(self, name: RepositoryName, reference: Tag | Digest) -> bool:
        """Whether upstream gives the repository to anybody. An error says that it is not known.

        It is asked for the manifest that `reference` names and, if there is none, for the tags;
        without credentials, whatever is configured. Who must show a client certificate is not
        anybody: then nothing is asked.
        """
        if self.endpoint.client_certificate is not None:
            return False
        manifest, tags = (
            self._url(f"{name}/manifests/{reference}"),
            self._url(f"{name}/tags/list", {"n": "1"}),
        )
        try:
            try:
                return self._is_given("HEAD", manifest, name) or self._is_given(
                    "GET", manifest, name
                )
            except NotFound:
                return self._is_given("GET", tags, name)
        except (NotFound, Denied):
            return False

    def get_manifest(self, name: RepositoryName, reference: Tag | Digest) -> ManifestBody:
        """A manifest's bytes, not verified. TooLarge beyond 4 MiB."""
        url, headers = self._url(f"{name}/manifests/{reference}"), {"Accept": ACCEPT}
        with self._exchange("GET", url, name, headers) as reply:
            check_status(reply, _manifest(name, reference))
            refuse_html(reply)
            digest = manifest_digest(reply, reference)
            return ManifestBody(reply.read(MAX_MANIFEST_BYTES), content_type(reply), digest)

    def head_blob(self, name: RepositoryName, digest: Digest) -> int | None:
        """The size in bytes of a blob that the repository has; None if upstream does not say.

        Where a HEAD is refused, a GET for the first byte proves the same.
        """
        if self._blob_head_works:
            try:
                return self._ask_for_blob(name, digest)
            except _HeadRefused:
                pass
            except Denied as denied:
                if not denied.unauthenticated:
                    raise
        size = self._prove_blob(name, digest)
        self._blob_head_works = False
        return size

    @contextmanager
    def open_blob(
        self, name: RepositoryName, digest: Digest, offset: int = 0
    ) -> Iterator[BlobStream]:
        """A blob's bytes, not verified, from `offset` on or, where upstream insists, from 0 on.

        RangeRejected if it has none at `offset`. The transfer ends with the block.
        """
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        url = self._url(f"{name}/blobs/{digest}")
        kind = Kind.BLOBS
        with self._exchange("GET", url, name, headers, kind=kind, transfer=True) as reply:
            if reply.status == 416 and offset:
                raise range_rejected(reply, _blob(name, digest))
            check_status(reply, _blob(name, digest))
            refuse_html(reply, digest)
            yield blob_stream(reply, offset)

    def list_tags(self, name: RepositoryName) -> tuple[str, ...]:
        """All tags, in upstream's order; upstream is followed from page to page.

        TooLarge if the pages are too many or too long. Upstream's own paging cannot be passed on:
        some have none, some order otherwise, some name their pages by words of their own.
        """
        url = self._url(f"{name}/tags/list", {"n": str(TAGS_PER_PAGE)})
        tags: dict[str, None] = {}
        left = LONGEST_LIST
        for _ in range(MOST_TAG_PAGES):
            with self._exchange("GET", url, name) as reply:
                check_status(reply, f"tag list of {name}")
                body = reply.read(left)
                tags.update(dict.fromkeys(tag_names(reply, body)))
                left -= len(body)
                following = next_page(reply, url)
            if following is None:
                return tuple(tags)
            url = following
        raise TooLarge(f"{self.endpoint.host} lists tags on too many pages.")

    def list_referrers(
        self, name: RepositoryName, digest: Digest, artifact_type: str | None = None
    ) -> ReferrersAnswer:
        """The index of what refers to `digest`, all pages. NotFound without a referrers API.

        TooLarge if all pages together are longer than a manifest may be.
        """
        url: httpx.URL | None = self._url(
            f"{name}/referrers/{digest}", {"artifactType": artifact_type}
        )
        pages: list[Page] = []
        left = MAX_MANIFEST_BYTES
        while url is not None:
            if len(pages) == MOST_PAGES:
                raise TooLarge(f"{self.endpoint.host} lists referrers on too many pages.")
            with self._exchange("GET", url, name, {"Accept": OCI_INDEX}) as reply:
                if reply.status in _UNSUPPORTED:
                    raise NotFound(f"{reply.host} has no referrers API.")
                check_status(reply, f"referrers of {digest} in {name}")
                page = read_page(reply, url, left)
            pages.append(page)
            left -= len(page.body)
            url = page.following
        return join_pages(pages)

    def _is_given(self, method: str, url: httpx.URL, name: RepositoryName) -> bool:
        """Whether anybody gets this: yes, or an error. A HEAD may say nothing, which is no."""
        with self._exchange(method, url, name, {"Accept": ACCEPT}, by=self._anybody) as reply:
            if method == "HEAD" and reply.status in _UNSUPPORTED:
                return False
            check_status(reply, f"repository {name}")
            refuse_html(reply)
            return True

    def _ask_for_blob(self, name: RepositoryName, digest: Digest) -> int | None:
        url = self._url(f"{name}/blobs/{digest}")
        with self._exchange("HEAD", url, name, kind=Kind.BLOBS) as reply:
            if reply.status in _UNSUPPORTED or (reply.away and reply.status in (401, 403)):
                # Storage takes some signed addresses with the signed method only.
                raise _HeadRefused
            check_status(reply, _blob(name, digest))
            refuse_html(reply, digest)
            reply.discard()
            return content_length(reply)

    def _prove_blob(self, name: RepositoryName, digest: Digest) -> int | None:
        headers = {"Range": "bytes=0-0"}
        url = self._url(f"{name}/blobs/{digest}")
        with self._exchange("GET", url, name, headers, kind=Kind.BLOBS) as reply:
            if reply.status == 416:
                error = range_rejected(reply, _blob(name, digest))
                return _size_if_empty(error)
            check_status(reply, _blob(name, digest))
            refuse_html(reply, digest)
            if reply.status == 206:
                return parse_content_range(reply)[2]
            return content_length(reply)

    @contextmanager
    def _exchange(
        self,
        method: str,
        url: httpx.URL,
        name: RepositoryName | None,
        headers: Mapping[str, str] | None = None,
        *,
        kind: Kind = Kind.MANIFESTS,
        transfer: bool = False,
        by: _Asker | None = None,
    ) -> Iterator[Reply]:
        """A request to upstream itself, with the authentication that it asks for.

        RateLimited, without a request, while upstream takes none of this kind.
        """
        by = by or self._ourselves
        try:
            by.ledger.check(kind)
        except UpstreamError:
            meters.add(families.UPSTREAM_ERRORS, self.endpoint.name, "held_back")
            raise
        began = time.monotonic()
        try:
            with self._answered(method, url, name, headers or {}, kind, by, transfer) as reply:
                seconds = time.monotonic() - began
                meters.observe(families.UPSTREAM_SECONDS, self.endpoint.name, kind, value=seconds)
                yield reply
        except UpstreamError as error:
            meters.add(families.UPSTREAM_ERRORS, self.endpoint.name, error.kind)
            raise

    @contextmanager
    def _answered(
        self,
        method: str,
        url: httpx.URL,
        name: RepositoryName | None,
        sent: Mapping[str, str],
        kind: Kind,
        by: _Asker,
        transfer: bool,
    ) -> Iterator[Reply]:
        """The answer to a request, or, if it was a challenge, to the one that meets it."""
        scope = None if name is None else f"repository:{name}:pull"
        authorization = by.authenticator.authorization(scope)
        with self._transport.open(method, url, sent, authorization, transfer=transfer) as reply:
            if reply.away or not by.authenticator.can_answer(reply.status):
                by.ledger.note(kind, reply)
                yield reply
                return
            lines = reply.response.headers.get_list("www-authenticate")
            reply.discard()
        authorization = by.authenticator.answer(lines, scope, authorization)
        with self._transport.open(method, url, sent, authorization, transfer=transfer) as reply:
            by.ledger.note(kind, reply)
            yield reply

    def _url(self, path: str, parameters: Mapping[str, str | None] | None = None) -> httpx.URL:
        given = {key: value for key, value in (parameters or {}).items() if value is not None}
        return httpx.URL(f"{self.endpoint.url.rstrip('/')}/v2/{path}", params=given or None)


def _manifest(name: RepositoryName, reference: Tag | Digest) -> str:
    return f"manifest {name}{'@' if isinstance(reference, Digest) else ':'}{reference}"


def _blob(name: RepositoryName, digest: Digest) -> str:
    return f"blob {name}@{digest}"


def _size_if_empty(error: RangeRejected) -> int:
    """An empty blob has no first byte; any other has."""
    if error.size != 0:
        raise BadAnswer(str(error)) from error
    return 0
