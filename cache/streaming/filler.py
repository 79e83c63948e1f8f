"""The thread behind a fill: it fetches the blob, or follows the process that does.

The loop: is the blob held? Can I have the part's lock? Then I am the filler. Otherwise I follow
the file as it grows; half a second without growth, and I try the lock again, which tells a slow
filler from a dead one.
"""

from __future__ import annotations

import errno
import logging
import os
import time
from collections.abc import Iterator
from dataclasses import replace

from cache import meters
from cache.meters import families
from cache.oci.digest import Digest
from cache.streaming.fill import Fill
from cache.streaming.order import Order
from cache.streaming.part import Failure, Part, PartChanged, PartInfo
from cache.streaming.source import (
    AWAY,
    BAD_ANSWER,
    CANCELLED,
    CORRUPT,
    INTERRUPTED,
    RANGE_REJECTED,
    STORE_FAILED,
    Chunk,
    SourceFailed,
    SourceStream,
)
from cache.streaming.store import Store

log = logging.getLogger(__name__)

#: A follower looks for growth this often, and for a dead filler after so long without (seconds).
FOLLOW_STEP = 0.01
PATIENCE = 0.5

#: A blob bigger than this is refused (bytes); the OCI specification names no limit.
LARGEST_BLOB = 256 * 1024**3

#: No space, no quota, no inode left.
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)

_REHASH_STEP = 1024 * 1024

#: After so many bytes a fill looks again whether there is room for the rest.
_ROOM_STEP = 16 * 1024 * 1024


class _Restart(Exception):
    """What is in the part cannot be the beginning of this blob: begin from nothing."""


def run(first: Order, store: Store, fill: Fill) -> None:
    """Bring the blob, by fetching or by following; the outcome is in ``fill``. Never raises."""
    failures: dict[str, SourceFailed] = {}
    tried: list[Order] = []
    order: Order | None = first
    while order is not None:
        failure = order.run(_try, order, store, fill)
        if failure is None:
            break
        failures[order.origin] = failure
        tried.append(order)
        order = fill.fail(failures)
    # After all is over for the readers: what is done here may take its time.
    for order in tried:
        failure = failures[order.origin]
        order.run(order.on_failure, failure.kind, failure.message)


def _try(order: Order, store: Store, fill: Fill) -> SourceFailed | None:
    """One order's way to the blob, and why it led nowhere."""
    try:
        _bring(order, store, fill)
    except SourceFailed as failure:
        return failure
    except OSError as error:
        return _store_failure(order, fill, error)
    except Exception as error:
        log.exception("A fill of %s broke", order.digest)
        return SourceFailed(STORE_FAILED, f"the fill broke: {type(error).__name__}")
    return None


def _store_failure(order: Order, fill: Fill, error: OSError) -> SourceFailed:
    """The store's failure, or upstream's if it does not have the blob either.

    Readers then go past the store, for which they must know that there is something to go to.
    """
    if fill.origin is None:
        try:
            with order.source.open(0) as stream:
                fill.answered(stream.size, order.origin)
        except SourceFailed as failure:
            return failure
    return SourceFailed(STORE_FAILED, f"the store failed: {error.strerror}")


def _bring(order: Order, store: Store, fill: Fill) -> None:
    # Not a matter of clocks, which jump: what was there before us is no news.
    old_failure = store.info(order.digest).failure
    while not _finish_if_held(order, store, fill):
        part = store.begin(order.digest)
        if part is None:
            _follow(order.digest, store, fill)
            continue
        filling = _Filling(order, store, fill, part)
        try:
            filling.info = part.info()
            failure = filling.info.failure
            if failure is not None and failure != old_failure:
                error = failure.as_error()
                if order.is_met_by(error):
                    # The filler whom we followed has just given up: asking again would double it.
                    raise error
            filling.run()
        finally:
            filling.close()
        return


def _finish_if_held(order: Order, store: Store, fill: Fill) -> bool:
    blob = store.open(order.digest)
    if blob is None:
        return False
    with blob:
        fill.switch(os.dup(blob.fileno()), blob.size)
    fill.succeed()
    return True


def _follow(digest: Digest, store: Store, fill: Fill) -> None:
    """Show what another process writes, until it ends or does nothing for a while."""
    fd = store.follow(digest)
    if fd is None:
        return
    try:
        _show_growth(digest, store, fill, fd)
    finally:
        os.close(fd)


def _show_growth(digest: Digest, store: Store, fill: Fill, fd: int) -> None:
    arrived = os.fstat(fd).st_size
    fill.switch(os.dup(fd), arrived)
    grown_at = time.monotonic()
    while store.is_filling(digest, fd) and time.monotonic() - grown_at < PATIENCE:
        if fill.origin is None:
            info = store.info(digest)
            if info.origin is not None and info.failure is None:
                fill.answered(info.size, info.origin)
        time.sleep(FOLLOW_STEP)
        size = os.fstat(fd).st_size
        if size > arrived:
            arrived, grown_at = size, time.monotonic()
            fill.advance(arrived)


class _Filling:
    """One filler at work on a locked part. Close it: that drops the lock."""

    def __init__(self, order: Order, store: Store, fill: Fill, part: Part) -> None:
        self.order = order
        self.store = store
        self.fill = fill
        self.part = part
        self.info = PartInfo()
        self.hasher = order.digest.hasher()
        self.may_restart = True

    def run(self) -> None:
        """Fetch, verify, commit; raises what ended it."""
        self.info = replace(self.info, failure=None)
        self.fill.fetches = True
        log.info("%s is not held: it is fetched for %s", self.order.digest, self.order.origin)
        self.fill.switch(os.dup(self.part.fd), self.part.size)
        try:
            self._fetch_verified()
            self.part.check()
        except SourceFailed as failure:
            self._give_up(failure)
            raise
        except OSError as error:
            # What cannot be finished must not take the room that something else could use; and what
            # somebody else has changed is not to be gone on with.
            if error.errno in _NO_ROOM or isinstance(error, PartChanged):
                self.part.remove()
            raise
        # Readers need not wait for the disk: what they get is verified.
        self.fill.succeed()
        self.store.commit(self.order.digest, self.part)
        self.order.on_commit(self.part.size, self.info.origin)

    def close(self) -> None:
        """Let others have the part."""
        self.part.close()

    def _fetch_verified(self) -> None:
        while True:
            try:
                self._rehash()
                # An earlier filler may have died between its last byte and the commit.
                if not self._is_right():
                    self._fetch()
                if self._is_right():
                    return
                upstream = self.order.source.upstream
                meters.add(families.VERIFICATION_FAILURES, upstream, "blob")
                log.warning(
                    "%s: the bytes from upstream for %s have another digest",
                    self.order.origin,
                    self.order.digest,
                )
            except _Restart:
                pass
            if not self.may_restart:
                message = "upstream gave bytes that do not match the digest"
                raise SourceFailed(CORRUPT, message, origin=self.order.source.upstream)
            self._start_over()

    def _is_right(self) -> bool:
        return bool(self.hasher.hexdigest() == self.order.digest.hex)

    def _start_over(self) -> None:
        self.may_restart = False
        self._renew_part()
        self.hasher = self.order.digest.hasher()

    def _renew_part(self) -> None:
        old, self.part = self.part, self.part.renew()
        old.close()
        self.fill.switch(os.dup(self.part.fd), 0)

    def _rehash(self) -> None:
        """Read what an earlier filler left: a hash cannot be resumed from the disk."""
        position = 0
        while position < self.part.size:
            data = self.part.read(_REHASH_STEP, position)
            if not data:
                raise PartChanged
            self.hasher.update(data)
            position += len(data)

    def _fetch(self) -> None:
        """Ask upstream until all is there."""
        failures = 0
        policy = self.order.policy
        for _ in range(policy.total_tries):
            before = self.part.size
            try:
                with self.order.source.open(before) as stream:
                    self._take(stream)
                return
            except SourceFailed as failure:
                if failure.kind == RANGE_REJECTED and before:
                    raise _Restart from failure
                failures = failures + 1 if self.part.size == before else 1
                tries = policy.tries if self.part.size else policy.first_tries
                if not self._may_pass(failure) or failures >= tries:
                    raise
                log.info("%s: asking again, %s", self.order.digest, failure.message)
                time.sleep(policy.pause(failures))
        message = "upstream cut the transfer too many times"
        raise SourceFailed(INTERRUPTED, message, origin=self.order.source.upstream)

    def _may_pass(self, failure: SourceFailed) -> bool:
        """Whether to ask again: for readers who have had something, one also waits for upstream."""
        return failure.retryable or (failure.kind == AWAY and self.fill.origin is not None)

    def _take(self, stream: SourceStream) -> None:
        """Write one answer's bytes behind what is there already."""
        size = stream.size
        if size is not None and size < self.part.size:
            raise _Restart
        if stream.offset:
            meters.add(families.RESUMES, self.order.source.upstream)
        expected = size if size is not None else self.order.size
        self.info = PartInfo(size, self.order.origin)
        self.fill.answered(size, self.order.origin)
        self._describe((expected or 0) - self.part.size)
        checked_at = None
        for chunk in self._beyond_known(stream):
            if self.fill.cancelled:
                raise SourceFailed(CANCELLED, "the operator of this mirror cancelled the transfer")
            self._check_bounds(self.part.size + len(chunk), size)
            if checked_at is None or self.part.size - checked_at >= _ROOM_STEP:
                checked_at = self.part.size
                self._make_room(max(len(chunk), (expected or 0) - self.part.size))
            self.part.write(chunk)
            self.hasher.update(chunk)
            self.fill.advance(self.part.size)
        if expected is not None and self.part.size < expected:
            message, upstream = "upstream ended the transfer early", self.order.source.upstream
            raise SourceFailed(INTERRUPTED, message, retryable=True, origin=upstream)

    def _describe(self, wanted: int) -> None:
        try:
            self.part.describe(self.info)
        except OSError as error:
            if error.errno not in _NO_ROOM:
                raise
            # The disk is full to the last byte.
            self._make_room(max(1, wanted))
            self.part.describe(self.info)

    def _make_room(self, wanted: int) -> None:
        """Begin, or go on, only if the disk is not nearly full then; others fill it, too."""
        if not self.store.make_room(wanted):
            raise OSError(errno.ENOSPC, f"{os.strerror(errno.ENOSPC)} that may be used up")

    def _check_bounds(self, reached: int, size: int | None) -> None:
        """No answer is endless: it is bounded by what it, or else a manifest, announced."""
        if reached > (size if size is not None else LARGEST_BLOB):
            message = "upstream sent more bytes than it announced"
            raise SourceFailed(BAD_ANSWER, message, origin=self.order.source.upstream)
        if size is None and self.order.size is not None and reached > self.order.size:
            message = "upstream sent more bytes than the manifest says"
            raise SourceFailed(BAD_ANSWER, message, origin=self.order.origin)

    def _beyond_known(self, stream: SourceStream) -> Iterator[Chunk]:
        """The bytes that the part lacks; those it has are checked when upstream sends them."""
        known, position = self.part.size, stream.offset
        for chunk in stream.chunks:
            overlap = min(len(chunk), max(0, known - position))
            if overlap and self.part.read(overlap, position) != chunk[:overlap]:
                raise _Restart
            position += len(chunk)
            if overlap < len(chunk):
                yield chunk[overlap:] if overlap else chunk

    def _give_up(self, failure: SourceFailed) -> None:
        """Leave the part for the next try, and tell those who follow it why there is none now."""
        if failure.kind in (CORRUPT, BAD_ANSWER) and failure.origin != self.order.origin:
            self._renew_part()
        elif self.part.size == 0:
            self.part.remove()
            return
        noted = Failure(
            failure.kind, failure.message, failure.retry_after, failure.origin, time.time()
        )
        self.part.describe(replace(self.info, failure=noted))
