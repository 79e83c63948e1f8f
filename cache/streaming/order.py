"""What a fill is asked to bring."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from typing import ParamSpec, TypeVar

from cache.oci.digest import Digest
from cache.streaming.source import RetryPolicy, Source, SourceFailed

DEFAULT_POLICY = RetryPolicy()

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Order:
    """What to fetch, from where, and whom to tell.

    ``size`` is the size in bytes that a manifest of the source's repository promised, if known.
    ``on_commit`` is called in the filler's thread, with the size and the proved origin, after the
    blob became visible; ``on_failure`` when this order has failed, whether or not another one fared
    better. ``context`` is that of whoever orders: what is done for the order is done in it, in
    whatever thread.
    """

    digest: Digest
    source: Source
    size: int | None
    on_commit: Callable[[int, str | None], None]
    on_failure: Callable[[str, str], None] = lambda _kind, _message: None
    policy: RetryPolicy = DEFAULT_POLICY
    context: Context = field(default_factory=copy_context, repr=False, compare=False)

    def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call ``function`` on behalf of who ordered. Any number of threads may at once."""
        return self.context.copy().run(function, *args, **kwargs)

    @property
    def origin(self) -> str:
        """In whose name the blob is asked for."""
        return self.source.origin

    def is_met_by(self, failure: SourceFailed) -> bool:
        """Whether the failure is this order's too."""
        return failure.origin in (None, self.source.origin, self.source.upstream)
