"""Bearer tokens: fetched once however many need them, kept until shortly before they end.

Docker's token authentication specification ("Token Response Fields") is the source of the fields
and of the 60 seconds.
"""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cache.upstream.errors import BadAnswer

if TYPE_CHECKING:
    from collections.abc import Callable

SHORTEST_LIFE = 60
LONGEST_LIFE = 12 * 60 * 60
MARGIN_SECONDS = 10
MARGIN_SHARE = 0.1
MOST_TOKENS = 1000


@dataclass(frozen=True, slots=True)
class Token:
    """What a token server gave, and for how many seconds."""

    value: str = field(repr=False)
    lifetime: int


@dataclass(frozen=True, slots=True)
class TokenKey:
    """What a token is good for: tokens are shared by the requests with equal keys."""

    realm: str
    service: str | None
    scope: str | None


@dataclass(frozen=True, slots=True)
class _Held:
    token: Token
    usable_until: float


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

    `now` is a monotonic clock in seconds.
    """

    def __init__(self, now: Callable[[], float], capacity: int = MOST_TOKENS) -> None:
        self._now = now
        self._capacity = capacity
        self._lock = threading.Lock()
        self._held: OrderedDict[TokenKey, _Held] = OrderedDict()
        self._pending: dict[TokenKey, Future[Token]] = {}

    def get(self, key: TokenKey, fetch: Callable[[], Token]) -> Token:
        """The token for `key`; all who need it at once share one `fetch`, also if that fails."""
        with self._lock:
            held = self._held.get(key)
            if held is not None and self._now() < held.usable_until:
                self._held.move_to_end(key)
                return held.token
            pending = self._pending.get(key)
            if pending is None:
                mine: Future[Token] = Future()
                self._pending[key] = mine
        if pending is not None:
            return pending.result()
        return self._fetch(key, fetch, mine)

    def drop(self, key: TokenKey, token_value: str) -> None:
        """Forget this token, unless another has taken its place already."""
        with self._lock:
            held = self._held.get(key)
            if held is not None and held.token.value == token_value:
                del self._held[key]

    def _fetch(self, key: TokenKey, fetch: Callable[[], Token], mine: Future[Token]) -> Token:
        asked_at = self._now()
        try:
            token = fetch()
        except BaseException as error:
            with self._lock:
                del self._pending[key]
            mine.set_exception(error)
            raise
        margin = max(MARGIN_SECONDS, token.lifetime * MARGIN_SHARE)
        with self._lock:
            del self._pending[key]
            self._held[key] = _Held(token, asked_at + token.lifetime - margin)
            self._held.move_to_end(key)
            while len(self._held) > self._capacity:
                self._held.popitem(last=False)
        mine.set_result(token)
        return token
