"""What a fill needs from the outside: a source of bytes, and how often to ask it again."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol, TypeAlias


class SourceFailed(Exception):
    """The source could not give the bytes.

    ``kind`` is a word of the caller's choice, carried through unchanged (also to readers in other
    processes, so it must be plain text); ``retryable`` says whether asking again may help;
    ``retry_after`` is in seconds, when the source named a time. ``origin`` says whose failure it
    is: an origin's, or all that its upstream has (the upstream's name), so that another one may
    well be given the bytes; or everybody's (None).
    """

    def __init__(
        self,
        kind: str,
        message: str,
        *,
        retryable: bool = False,
        retry_after: int | None = None,
        origin: str | None = None,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.retryable = retryable
        self.retry_after = retry_after
        self.origin = origin


#: Kinds that this room itself gives to a failure.
BAD_ANSWER = "bad-answer"
CANCELLED = "cancelled"
CORRUPT = "corrupt"
INTERRUPTED = "interrupted"
STORE_FAILED = "store-failed"
RANGE_REJECTED = "range-rejected"
CHANGED = "changed"
AWAY = "away"


Chunk: TypeAlias = bytes | memoryview


class SourceStream(Protocol):
    """One answer of a source. ``chunks`` raises :class:`SourceFailed` when it is cut."""

    @property
    def offset(self) -> int:
        """Where the bytes really begin: the offset asked for, or 0 if ranges are not served."""

    @property
    def size(self) -> int | None:
        """The whole blob's size in bytes, if the source said it."""

    @property
    def chunks(self) -> Iterator[Chunk]:
        """The bytes from ``offset`` on, each piece of them until the next one is asked for."""


class Source(Protocol):
    """Where a missing blob comes from."""

    @property
    def origin(self) -> str:
        """The repository in whose name the blob is asked for; an answer proves it is there."""

    @property
    def upstream(self) -> str:
        """The registry that is asked; never the name of an origin."""

    def open(self, offset: int) -> AbstractContextManager[SourceStream]:
        """Ask for the bytes from ``offset`` on; raises :class:`SourceFailed`.

        A source that refuses the offset itself (416) fails with the kind ``RANGE_REJECTED``; one
        that was not asked, since it is known to be away, with ``AWAY``: worth waiting for in the
        middle of a blob, and nowhere else.
        """


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How a fill goes on after a failure that may pass.

    Before the first byte there are ``first_tries``, since clients wait for it. Later there are
    ``tries``, counted anew whenever bytes arrived: a long transfer over a bad line is worth
    finishing, and a source that restarts is back within seconds; ``total_tries`` bounds the whole
    all the same. Delays are in seconds, doubled from ``delay`` up to ``longest_delay`` and spread
    by jitter so that many fills do not ask in step.
    """

    first_tries: int = 2
    tries: int = 6
    total_tries: int = 60
    delay: float = 0.25
    longest_delay: float = 8.0

    def pause(self, failures: int) -> float:
        """Seconds to wait after the ``failures``-th failure in a row (counted from 1)."""
        longest = min(self.longest_delay, self.delay * 2.0 ** (failures - 1))
        return longest * random.uniform(0.5, 1.0)  # noqa: S311 - spreading load, not a secret
