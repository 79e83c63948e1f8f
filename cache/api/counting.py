"""What an answer adds to the traffic: in memory only, for a pull writes nothing."""

from __future__ import annotations

import logging

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from cache import meters, runtime
from cache.api.forwarding import client_address
from cache.api.responses import blob_response
from cache.meters import families
from cache.oci.digest import Digest
from cache.oci.reference import Tag
from cache.oci.repository import Repository
from cache.pull import Arriving, Held, Outcome
from cache.tally import LONGEST_AGENT, Counts, Pull

log = logging.getLogger(__name__)


def count_manifest(
    request: HttpRequest,
    repository: Repository,
    reference: Tag | Digest,
    outcome: Outcome,
    length: int,
) -> None:
    """A manifest was answered, with a body of ``length`` bytes."""
    log.debug("%s %s of %s: %s", request.method, reference, repository, outcome)
    counts = Counts(requests=1, served=length)
    is_head = request.method == "HEAD"
    if not is_head:
        _count_outcome(counts, outcome)
    if is_head or isinstance(reference, Tag):
        counts.pulls = 1
        counts.stale = int(outcome is Outcome.STALE)
        _note_pull(request, repository, reference)
    runtime.current().tally.count(repository, counts)
    meters.add(families.SERVED, repository.upstream, amount=length)


def count_request(repository: Repository) -> None:
    """Something without a body was answered."""
    runtime.current().tally.count(repository, Counts(requests=1))


def counted_blob(
    request: HttpRequest, repository: Repository, blob: Held | Arriving
) -> HttpResponseBase:
    """The answer to a GET of a blob, which counts what it sends when it ends."""
    tally = runtime.current().tally

    def end(sent: int) -> None:
        tally.count(repository, Counts(served=sent))
        meters.add(families.SERVED, repository.upstream, amount=sent)

    response = blob_response(request, blob, on_end=end)
    outcome = blob.outcome if isinstance(blob, Held) else Outcome.MISS
    log.debug("GET %s of %s: %s", blob.digest, repository, outcome)
    counts = Counts(requests=1)
    _count_outcome(counts, outcome)
    tally.count(repository, counts)
    return response


def _count_outcome(counts: Counts, outcome: Outcome) -> None:
    if outcome is Outcome.MISS:
        counts.misses = 1
    else:
        counts.hits = 1


def _note_pull(request: HttpRequest, repository: Repository, reference: Tag | Digest) -> None:
    mirror = runtime.current()
    mirror.tally.note_pull(
        Pull(
            at=mirror.now(),
            client=client_address(request) or "",
            agent=request.META.get("HTTP_USER_AGENT", "")[:LONGEST_AGENT],
            repository=str(repository),
            reference=str(reference),
        )
    )
