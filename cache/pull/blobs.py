"""Blobs: from the store, or from the fill that brings them there."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from cache import catalog, meters, runtime
from cache.access.decision import Client
from cache.catalog import KnownLink
from cache.meters import families
from cache.oci.digest import Digest
from cache.oci.repository import Repository
from cache.pull.asking import asking
from cache.pull.blob_source import UpstreamSource
from cache.pull.outcome import Outcome
from cache.pull.permission import permit
from cache.pull.refusals import TIMED_OUT, from_source, from_upstream
from cache.streaming.blob_file import BlobFile
from cache.streaming.fill import Fill
from cache.streaming.order import Order
from cache.streaming.source import (
    BAD_ANSWER,
    CORRUPT,
    INTERRUPTED,
    STORE_FAILED,
    SourceFailed,
)
from cache.upstream import errors

log = logging.getLogger(__name__)

UNKNOWN = "BLOB_UNKNOWN"

#: Upstream's answer to a fill is waited for so long (seconds). Its own timeouts and a fill's
#: retries end sooner; this bounds what a client can make us wait for in any case.
_LONGEST_WAIT = 120.0

#: A blob of so many bytes is sent for long enough to do without a connection to the database.
_LONG = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Held:
    """A blob in the store, of ``size`` bytes; ``file`` is the receiver's to close."""

    digest: Digest
    size: int
    file: BlobFile
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Stat:
    """What is known of a blob without its bytes; ``size`` in bytes, if it is."""

    size: int | None
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Arriving:
    """A blob on its way; ``size`` in bytes is None when neither upstream nor a manifest told."""

    digest: Digest
    size: int | None
    fill: Fill
    order: Order


@contextmanager
def open_blob(client: Client, repository: Repository, digest: Digest) -> Iterator[Held | Arriving]:
    """The blob for this client, while the block runs; take a reader of an arriving one inside it.

    Raises :class:`~cache.oci.errors.RegistryError`. Having the bytes is not enough: they are
    served in a repository only if upstream has given them, or vouches for them, there.
    """
    permit(client, repository)
    mirror = runtime.current()
    # Who comes while it arrives finds all that there is to know of it with who came first.
    running = mirror.coalescer.order_of(digest, str(repository))
    if running is not None:
        with _join(_order(repository, digest, running.size), repository) as arriving:
            mirror.traffic.note_blob(digest, mirror.now())
            catalog.let_go()
            yield arriving
        return
    link, news_since = _link(repository, digest)
    file = _open_sound(repository, digest, None if link is None else link.size)
    if file is None:
        order = _order(repository, digest, catalog.promised_size(repository, digest))
        with _join(order, repository) as arriving:
            mirror.traffic.note_blob(digest, mirror.now())
            catalog.let_go()
            yield arriving
        return
    try:
        size, outcome = file.size, Outcome.HIT
        if link is None:
            _prove(repository, digest, held=size)
            outcome = Outcome.REVALIDATED
        elif link.size is None:
            # The filler was killed, or the database was gone, just after the commit.
            catalog.record_blob(digest, size, mirror.now())
        elif news_since is not _ON_THE_SHELF and link.size == size:
            # The file has borne it out: a wrong size would refuse the blob again and again.
            mirror.shelf.put((repository, digest, "blob"), link, 0, news_since)
        mirror.traffic.note_blob(digest, mirror.now())
        if size >= _LONG:
            catalog.let_go()
        yield Held(digest, size, file, outcome)
    except BaseException:
        file.close()
        raise


#: In place of a stamp.
_ON_THE_SHELF = object()


def _link(repository: Repository, digest: Digest) -> tuple[KnownLink | None, object]:
    """That the repository contains the blob, and its size if it is held, if that is known.

    With it the stamp under which it was read just now, or `_ON_THE_SHELF`.
    """
    mirror = runtime.current()
    # Who may pull was asked just before, which has renewed it.
    stamp = mirror.remembered.stamp()
    link: KnownLink | None = mirror.shelf.get((repository, digest, "blob"), stamp)
    if link is not None:
        return link, _ON_THE_SHELF
    return catalog.find_blob_link(repository, digest), stamp


def stat_blob(client: Client, repository: Repository, digest: Digest) -> Stat:
    """What a request for the blob would be answered with; never starts a fill.

    Raises :class:`~cache.oci.errors.RegistryError`.
    """
    permit(client, repository)
    link, _ = _link(repository, digest)
    if link is not None:
        held = _held_size(digest)
        if held is not None and _recorded(repository, digest, link.size, held) in (None, held):
            return Stat(held, Outcome.HIT)
    promised = catalog.promised_size(repository, digest)
    size = promised if promised is not None else _prove(repository, digest)
    return Stat(size, Outcome.MISS)


def hand_over(blob: Held) -> str | None:
    """Let another program that belongs to the mirror's group read a blob.

    Returns where its file stands, below the folder of all blobs; None if it cannot be done.
    """
    return runtime.current().store.hand_over(blob.digest, blob.file)


def _held_size(digest: Digest) -> int | None:
    try:
        return runtime.current().store.stat(digest)
    except OSError as error:
        log.error("The store cannot look for the blob %s: %s", digest, error)
        return None


def failure_of(blob: Arriving, failure: SourceFailed) -> SourceFailed:
    """What the failure of its fill is for a blob that had begun to arrive."""
    if blob.order.is_met_by(failure):
        return failure
    # Others' refusal came last: ours had the blob, and lost it on the way.
    return SourceFailed(INTERRUPTED, "upstream broke off the transfer")


def _open_sound(repository: Repository, digest: Digest, linked: int | None) -> BlobFile | None:
    """The held blob, open at its start, if it has the size that was recorded for it (bytes).

    ``linked`` is that size if it is known already.

    One of another size was damaged behind our back: it goes to quarantine, and is fetched again.
    """
    store = runtime.current().store
    try:
        file = store.open(digest)
    except OSError as error:
        log.error("The store cannot open the blob %s: %s", digest, error)
        return None
    if file is None:
        return None
    recorded = catalog.recorded_size(digest) if linked is None else linked
    if linked is not None:
        recorded = _recorded(repository, digest, linked, file.size)
    if recorded in (None, file.size):
        return file
    with file:
        if store.quarantine(digest, file):
            meters.add(families.DAMAGED, "size")
            message = "The blob %s has %d bytes in the store and had %d: it is in quarantine"
            log.error(message, digest, file.size, recorded)
    return None


def _recorded(repository: Repository, digest: Digest, linked: int | None, found: int) -> int | None:
    """The size on record of a blob that was ``found`` to have another one than ``linked``, if so.

    What was read a moment ago, or is on the shelf, may have been corrected since.
    """
    if linked in (None, found):
        return linked
    runtime.current().shelf.drop((repository, digest, "blob"))
    return catalog.recorded_size(digest)


@contextmanager
def _join(order: Order, repository: Repository) -> Iterator[Arriving]:
    """The fill that brings the blob, once upstream is known to have it in this repository."""
    digest = order.digest
    with ExitStack() as joined:
        try:
            fill = joined.enter_context(_answered_fill(order))
        except SourceFailed as failure:
            raise from_source(failure, UNKNOWN) from failure
        if fill.origin != order.origin and _link(repository, digest)[0] is None:
            _prove(repository, digest)
        yield Arriving(digest, fill.size if fill.size is not None else order.size, fill, order)


@contextmanager
def _answered_fill(order: Order) -> Iterator[Fill]:
    """A fill whose source has the blob; raises :class:`SourceFailed`.

    A fill that failed for what another repository may not have, or another upstream cannot give,
    just as we came, says nothing about ours: then there is a fill of our own.
    """
    deadline = time.monotonic() + _LONGEST_WAIT
    while True:
        with runtime.current().coalescer.join(order) as fill:
            try:
                if not fill.wait_answered(max(0.0, deadline - time.monotonic())):
                    raise SourceFailed(TIMED_OUT, "upstream did not answer in time")
            except SourceFailed as failure:
                if order.is_met_by(failure) or time.monotonic() >= deadline:
                    raise
                continue
            yield fill
            return


def _order(repository: Repository, digest: Digest, size: int | None) -> Order:
    return Order(
        digest=digest,
        source=UpstreamSource(repository, digest),
        size=size,
        on_commit=lambda size, origin: _record(repository, digest, size, origin),
        on_failure=lambda kind, message: _report(repository, digest, kind, message),
    )


def _report(repository: Repository, digest: Digest, kind: str, message: str) -> None:
    """Tell the operator of what upstream or the store did wrong; its refusals are no news."""
    if kind in (CORRUPT, BAD_ANSWER, STORE_FAILED):
        log.error("The blob %s of %s was not kept: %s", digest, repository, message)
        catalog.record_lost_fill(repository, digest, kind, message, runtime.current().now())


def _prove(repository: Repository, digest: Digest, held: int | None = None) -> int | None:
    """Have upstream vouch that the repository contains the blob; returns its size if told.

    ``held`` is the size in bytes of a blob that is here already.
    """
    mirror = runtime.current()

    def ask() -> int | None:
        with asking("blob", repository, digest):
            size = mirror.upstream_of(repository).head_blob(repository.name, digest)
        catalog.link_blob(repository, digest, mirror.now(), held)
        return size

    try:
        return mirror.flights.share(("blob", repository, digest), ask)
    except errors.UpstreamError as error:
        raise from_upstream(error, UNKNOWN) from error


def _record(repository: Repository, digest: Digest, size: int, origin: str | None) -> None:
    proved = repository if origin == str(repository) else None
    mirror = runtime.current()
    catalog.record_fill(digest, size, proved, mirror.now())
    mirror.bell.ring()
