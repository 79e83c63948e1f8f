"""Where a missing blob comes from: the upstream, as a source of fills."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from cache import meters, runtime
from cache.meters import families
from cache.oci.digest import Digest
from cache.oci.repository import Repository
from cache.pull.asking import asking, note_contact
from cache.pull.refusals import DENIED, NOT_FOUND, RATE_LIMITED, kind_of, retry_after_of
from cache.streaming.source import RANGE_REJECTED, Chunk, SourceFailed, SourceStream
from cache.tally import Counts
from cache.upstream import errors


@dataclass(frozen=True, slots=True)
class UpstreamSource:
    """The blob in the repository, as upstream has it."""

    repository: Repository
    digest: Digest

    @property
    def origin(self) -> str:
        """Whose failure, or proof, its answer is."""
        return str(self.repository)

    @property
    def upstream(self) -> str:
        """The registry that is asked."""
        return self.repository.upstream

    @contextmanager
    def open(self, offset: int) -> Iterator[SourceStream]:
        """Ask for the bytes from ``offset`` on; raises ``SourceFailed``."""
        upstream = runtime.current().upstream_of(self.repository)
        try:
            with (
                asking("blob", self.repository, self.digest),
                upstream.open_blob(self.repository.name, self.digest, offset) as stream,
            ):
                note_contact(self.repository.upstream)
                yield _CountedStream(stream, self.repository)
        except errors.UpstreamError as error:
            raise _as_source_failure(error, self) from error


class _CountedStream:
    """An answer of upstream whose bytes, and the time that they take, are counted."""

    def __init__(self, stream: SourceStream, repository: Repository) -> None:
        self.offset = stream.offset
        self.size = stream.size
        self._stream = stream
        self._repository = repository

    @property
    def chunks(self) -> Iterator[Chunk]:
        """The stream's own."""
        began = time.monotonic()
        taken = 0
        try:
            for chunk in self._stream.chunks:
                taken += len(chunk)
                meters.add(families.FETCHED, self._repository.upstream, amount=len(chunk))
                yield chunk
        finally:
            took = round((time.monotonic() - began) * 1000)
            counts = Counts(fetched=taken, fetch_ms=took)
            runtime.current().tally.count(self._repository, counts)


def _as_source_failure(error: errors.UpstreamError, source: UpstreamSource) -> SourceFailed:
    kind = RANGE_REJECTED if isinstance(error, errors.RangeRejected) else kind_of(error)
    return SourceFailed(
        kind,
        str(error),
        # A quota that is spent now will be spent in a second: asking again makes it worse.
        retryable=error.retryable and kind != RATE_LIMITED,
        retry_after=retry_after_of(error),
        origin=source.origin if kind in (NOT_FOUND, DENIED) else source.upstream,
    )
