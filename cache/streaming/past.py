"""Past the store: a reader's own transfer, when the disk does not take the blob.

It costs a request for each reader, and keeps the promise that nobody gets a complete wrong body.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from cache import meters
from cache.meters import families
from cache.streaming.fill import HOLDBACK
from cache.streaming.order import Order
from cache.streaming.source import (
    AWAY,
    CHANGED,
    CORRUPT,
    INTERRUPTED,
    Chunk,
    SourceFailed,
    SourceStream,
)

_STEP = 1024 * 1024


class _Hash(Protocol):
    def update(self, data: Chunk, /) -> None: ...
    def hexdigest(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Rest:
    """What a reader still wants: the bytes from ``position`` up to ``stop`` (None: the end).

    ``total`` is the size in bytes that its client was told; ``given`` a file (its descriptor) with
    the blob's first bytes, among them all that the reader was given.
    """

    position: int
    stop: int | None
    total: int | None
    given: int | None


def read_past(order: Order, rest: Rest) -> Iterator[bytes]:
    """The rest of the blob straight from the source; raises :class:`SourceFailed`.

    The last piece before the blob's end is held back until the digest is verified.
    """
    hasher = order.digest.hasher()
    known = _hash_given(hasher, rest)
    to_the_end = rest.stop is None or rest.stop == rest.total
    held = b""
    for offset, chunk in _arriving(order, known, rest.total):
        hasher.update(chunk)
        end = None if rest.stop is None else max(0, rest.stop - offset)
        held += chunk[max(0, rest.position - offset) : end]
        keep = HOLDBACK if to_the_end else 0
        if len(held) > keep:
            yield held[: len(held) - keep]
            held = held[len(held) - keep :]
        if not to_the_end and rest.stop is not None and offset + len(chunk) >= rest.stop:
            return
    if hasher.hexdigest() != order.digest.hex:
        meters.add(families.VERIFICATION_FAILURES, order.source.upstream, "blob")
        raise SourceFailed(CORRUPT, "upstream gave bytes that do not match the digest")
    if held:
        yield held


def _hash_given(hasher: _Hash, rest: Rest) -> int:
    """Hash the beginning that is here; how many bytes upstream need not send again."""
    if rest.given is None:
        return 0
    position = 0
    # No further than what was given: what is behind it may be wrong, and is asked for again.
    while position < rest.position:
        data = os.pread(rest.given, min(_STEP, rest.position - position), position)
        if not data:
            break
        hasher.update(data)
        position += len(data)
    return position


def _arriving(order: Order, start: int, total: int | None) -> Iterator[tuple[int, Chunk]]:
    """Chunks with their offsets, from ``start`` on; cut transfers are continued."""
    position, failures = start, 0
    while True:
        before = position
        try:
            with order.source.open(position) as stream:
                for offset, chunk in _from(position, stream, total):
                    position = offset + len(chunk)
                    yield offset, chunk
                if stream.size is not None and position < stream.size:
                    message = "upstream ended the transfer early"
                    raise SourceFailed(INTERRUPTED, message, retryable=True)
            return
        except SourceFailed as failure:
            failures = 1 if position > before else failures + 1
            may_pass = failure.retryable or failure.kind == AWAY
            if not may_pass or failures >= order.policy.tries:
                raise
            time.sleep(order.policy.pause(failures))


def _from(position: int, stream: SourceStream, total: int | None) -> Iterator[tuple[int, Chunk]]:
    """The stream's chunks from ``position`` on, with their offsets."""
    if total is not None and stream.size not in (None, total):
        raise SourceFailed(CHANGED, "the blob has another size than upstream said at first")
    offset = stream.offset
    for chunk in stream.chunks:
        fresh = chunk[max(0, position - offset) :]
        if fresh:
            yield offset + len(chunk) - len(fresh), fresh
        offset += len(chunk)
