"""Bearer tokens: fetched once however many need them, kept until shortly before they end.

All processes of a mirror share them, by way of its memory.

Docker's token authentication specification ("Token Response Fields") is the source of the fields
and of the 60 seconds.
"""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from concurrent.futures import Future
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cache.upstream.errors import BadAnswer

if TYPE_CHECKING:
    from collections.abc import Callable

    from cache.memory import Memory

SHORTEST_LIFE = 60
LONGEST_LIFE = 12 * 60 * 60
MARGIN_SECONDS = 10
MARGIN_SHARE = 0.1
MOST_TOKENS = 1000

OTHERS_FETCH = 10.0
"""Seconds for which another process's request for the same token is waited for."""


@dataclass(frozen=True, slots=True)
class Token:
    """What a token server gave, and for how many seconds."""

    value: str = field(repr=False)
    lifetime: int


@dataclass(frozen=True, slots=True)
class TokenKey:
    """What a token is good for: tokens are shared by the requests with equal keys.

    `identity` says who we are, and is empty for anybody.
    """

    upstream: str
    realm: str
    service: str | None
    scope: str | None
    identity: str

    def __str__(self) -> str:
        parts = (self.upstream, self.realm, self.service, self.scope, self.identity)
        return f"token {json.dumps(parts)}"


@dataclass(frozen=True, slots=True)
class _Held:
    """A token and the time in which it is used, in seconds of the clock that tokens age by."""

    value: str = field(repr=False)
    since: float
    until: float

    def is_usable(self, now: float, refused: str | None) -> bool:
        # Before its time: the clock was set back, and how old it is cannot be known.
        return self.since <= now < self.until and self.value != refused


def parse_token(body: bytes, host: str) -> Token:
    """Read a token server's answer. Raises BadAnswer."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict):
        raise BadAnswer(f"The token server {host} sent no JSON object.")
    value = answer.get("token") or answer.get("access_token")
    if not isinstance(value, str) or not value.isascii() or not value.isprintable():
        raise BadAnswer(f"The token server {host} sent no usable token.")
    told = answer.get("expires_in")
    lifetime = told if isinstance(told, int) and not isinstance(told, bool) else SHORTEST_LIFE
    return Token(value, min(max(lifetime, SHORTEST_LIFE), LONGEST_LIFE))


class TokenCache:
    """The tokens in use; the least recently used go first. Thread-safe.

    `now` is a clock in seconds that all processes have, and that goes on over a restart.
    """

    def __init__(
        self,
        now: Callable[[], float],
        memory: Memory | None = None,
        capacity: int = MOST_TOKENS,
    ) -> None:
        self._now = now
        self._memory = memory
        self._capacity = capacity
        self._lock = threading.Lock()
        self._held: OrderedDict[TokenKey, _Held] = OrderedDict()
        self._pending: dict[TokenKey, Future[_Held]] = {}

    def get(self, key: TokenKey, fetch: Callable[[], Token], refused: str | None = None) -> str:
        """The token for `key`, any but the `refused` one, of which it is known that it is over.

        All who need it at once share one `fetch`, also if that fails.
        """
        while True:
            with self._lock:
                held = self._held.get(key)
                if held is not None and held.is_usable(self._now(), refused):
                    self._held.move_to_end(key)
                    return held.value
                pending = self._pending.get(key)
                if pending is None:
                    mine: Future[_Held] = Future()
                    self._pending[key] = mine
                    break
            value = pending.result().value
            # The other one may not have known that it was refused, and have found it in memory.
            if value != refused:
                return value
        return self._obtain(key, fetch, refused, mine)

    def _obtain(
        self,
        key: TokenKey,
        fetch: Callable[[], Token],
        refused: str | None,
        mine: Future[_Held],
    ) -> str:
        try:
            held = self._shared(key, refused) or self._fetch(key, fetch, refused)
        except BaseException as error:
            with self._lock:
                del self._pending[key]
            mine.set_exception(error)
            raise
        with self._lock:
            del self._pending[key]
            self._held[key] = held
            self._held.move_to_end(key)
            while len(self._held) > self._capacity:
                self._held.popitem(last=False)
        mine.set_result(held)
        return held.value

    def _fetch(self, key: TokenKey, fetch: Callable[[], Token], refused: str | None) -> _Held:
        memory = self._memory
        with memory.exclusive(str(key), OTHERS_FETCH) if memory else nullcontext():
            # Another process may have fetched it while we waited.
            held = self._shared(key, refused)
            if held is not None:
                return held
            asked_at = self._now()
            token = fetch()
            margin = max(MARGIN_SECONDS, token.lifetime * MARGIN_SHARE)
            held = _Held(token.value, asked_at, asked_at + token.lifetime - margin)
            if memory is not None:
                fields = {"token": held.value, "since": held.since, "until": held.until}
                memory.write(str(key), fields)
            return held

    def _shared(self, key: TokenKey, refused: str | None) -> _Held | None:
        """What another process, or this one before its start, has put into memory."""
        record = self._memory.read(str(key)) if self._memory is not None else None
        match record:
            case {"token": str(value), "since": float(since), "until": float(until)}:
                held = _Held(value, since, min(until, since + LONGEST_LIFE))
                return held if held.is_usable(self._now(), refused) else None
        return None
