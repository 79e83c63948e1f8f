"""What is left of an upstream's quota, and until when nothing more may be asked of it.

One ledger for each upstream and identity, since a quota is granted to a user or to an address. It
is kept in the records that all processes share and that outlive them: what one worker was refused,
no other asks for, also after a restart.

The headers: `Retry-After` is RFC 9110's; `ratelimit-limit: 100;w=21600` and its kin are those that
Docker Hub sends with manifests (the early drafts of the IETF's RateLimit header fields).
"""

from __future__ import annotations

import logging
import re
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from cache.upstream.errors import RateLimited
from cache.upstream.statuses import LONGEST_RETRY_AFTER, parse_retry_after

if TYPE_CHECKING:
    from collections.abc import Callable

    from cache.memory import Memory, Record
    from cache.upstream.endpoint import Endpoint
    from cache.upstream.reply import Reply

log = logging.getLogger(__name__)

PAUSE_SECONDS = 60.0
"""How long a refusal or a spent quota counts whose upstream does not say how long."""

LONGEST_WINDOW = LONGEST_RETRY_AFTER
"""No quota's numbers are believed for longer (seconds), and no refusal."""

CLOCK_SLACK = 5.0
"""A moment that lies so little (seconds) in the future is no sign of a clock that was set back."""

_LARGEST_NUMBER = 999_999_999
_LONGEST_HEADER = 256
_LONGEST_SOURCE = 64

_DIGITS = re.compile(r"\d{1,9}", re.ASCII)


class Kind(StrEnum):
    """What a request is for; a refusal holds back requests of its own kind first of all."""

    MANIFESTS = "manifests"
    """Manifests and lists: what quotas count."""
    BLOBS = "blobs"
    TOKENS = "tokens"


@dataclass(frozen=True, slots=True)
class Quota:
    """What is known of an upstream's quota now; None is unknown.

    limit, remaining: counted requests, in all and left.
    renews_at: when the numbers have no meaning any more, at the latest.
    source: whose quota it is, in upstream's words: an address or an account.
    held_until: no manifest is asked for before.
    """

    limit: int | None = None
    remaining: int | None = None
    renews_at: datetime | None = None
    source: str | None = None
    held_until: datetime | None = None

    def is_below(self, share: float) -> bool:
        """Whether less than this part (0 to 1) of the whole is left, as far as is known."""
        if self.limit is None or self.remaining is None:
            return False
        return self.remaining < self.limit * share


@dataclass(frozen=True, slots=True)
class _Count:
    """The last numbers of upstream. `since`: of all with falling counts, when the first came.

    The window of the quota began then at the latest, so that it is over at `ends`.
    """

    limit: int | None
    remaining: int
    window: int | None
    source: str | None
    since: float
    ends: float

    def holds(self, now: float) -> bool:
        """Whether the numbers still say something."""
        return _is_within(self.since, now, self.ends)


class Ledger:
    """The quota of one upstream for one identity. Thread-safe; `clock` is Unix time in seconds."""

    def __init__(
        self, endpoint: Endpoint, memory: Memory | None, clock: Callable[[], float]
    ) -> None:
        self._host = endpoint.host
        # The memory hashes its keys, so that no user's name becomes a file's.
        self._key = f"quota {endpoint.base} {endpoint.identity}"
        self._memory = memory
        self._own: dict[str, Record] = {}
        self._clock = clock

    def quota(self) -> Quota:
        """What is known now."""
        now = self._clock()
        held = self._held_until(Kind.MANIFESTS, now)
        until = None if held is None else _moment(held)
        last = self._last()
        if last is None:
            return Quota(held_until=until)
        if not last.holds(now):
            return Quota(limit=last.limit, source=last.source, held_until=until)
        return Quota(last.limit, last.remaining, _moment(last.ends), last.source, until)

    def check(self, kind: Kind) -> None:
        """Raise RateLimited, with the seconds that are left, if nothing of this kind may be asked.

        A spent count of manifests keeps no blob back: Docker Hub does not count those, and an
        image whose manifest is here must be pullable to its end.
        """
        now = self._clock()
        until = self._held_until(kind, now)
        if until is not None:
            message = (
                f"{self._host} takes no more requests from us for now: it is asked for no {kind} "
                f"before {_moment(until):%H:%M:%S} UTC."
            )
            raise RateLimited(message, max(1.0, until - now))

    def note(self, kind: Kind, reply: Reply) -> None:
        """Read an answer's head. Raises RateLimited for a 429, after which this kind is held back.

        One to a request for blobs holds back manifests as well, unless it came from the storage
        that upstream redirects to: who counts even blobs counts everything.
        """
        now = self._clock()
        if kind is not Kind.TOKENS and not reply.away:
            self._count(reply, now)
        if reply.status != 429:
            return
        seconds = self._pause(kind, reply, now)
        kinds = {kind} if kind is not Kind.BLOBS or reply.away else {kind, Kind.MANIFESTS}
        for each in sorted(kinds):
            self._hold(each, now, seconds)
        log.warning(
            "%s answered 429: it is asked for no %s for %d s",
            reply.host,
            " and no ".join(sorted(kinds)),
            seconds,
        )
        message = f"{reply.host} takes no more requests from us for now (429)."
        raise RateLimited(message, seconds)

    def _pause(self, kind: Kind, reply: Reply, now: float) -> float:
        """Seconds: what the 429 says, else until the spent quota is renewed, else a short while."""
        told = parse_retry_after(reply.header("retry-after"), datetime.fromtimestamp(now, UTC))
        seconds = None if told is None else max(1.0, told)
        spent = self._spent(now) if kind is Kind.MANIFESTS else None
        if spent is None:
            return seconds or PAUSE_SECONDS
        if seconds is None:
            return max(1.0, spent.ends - now)
        # A time that upstream names is truer than what its window allows.
        self._write(self._key, asdict(replace(spent, ends=now + seconds)))
        return seconds

    def _held_until(self, kind: Kind, now: float) -> float | None:
        refused = self._refused_until(kind, now)
        spent = self._spent(now) if kind is Kind.MANIFESTS else None
        return refused if spent is None else max(refused or 0.0, spent.ends)

    def _spent(self, now: float) -> _Count | None:
        """The last numbers, if nothing is left of the quota by them."""
        last = self._last()
        return last if last is not None and last.holds(now) and last.remaining == 0 else None

    def _refused_until(self, kind: Kind, now: float) -> float | None:
        record = self._read(f"{self._key} {kind}") or {}
        since, until = _seconds(record.get("since")), _seconds(record.get("until"))
        if since is None or until is None:
            return None
        return until if _is_within(since, now, until) else None

    def _hold(self, kind: Kind, now: float, seconds: float) -> None:
        # Apart from the count: an answer that was on its way meanwhile must not lift it.
        if now + seconds > (self._refused_until(kind, now) or 0.0):
            self._write(f"{self._key} {kind}", {"since": now, "until": now + seconds})

    def _count(self, reply: Reply, now: float) -> None:
        """Write down the numbers of an answer if they are others than those known."""
        remaining, window = _parse_count(reply.header("ratelimit-remaining"))
        if remaining is None:
            return
        limit, window_of_limit = _parse_count(reply.header("ratelimit-limit"))
        if limit is not None and limit < remaining:
            return
        source = _parse_source(reply.header("docker-ratelimit-source"))
        window = window or window_of_limit
        found = _Count(limit, remaining, window, source, now, now + (window or PAUSE_SECONDS))
        last = self._last()
        if last is not None and last.holds(now) and _is_same_window(last, found):
            found = replace(found, since=last.since, ends=last.ends)
        if found != last:
            self._write(self._key, asdict(found))

    def _last(self) -> _Count | None:
        """The last numbers; None if there are none that can be read."""
        record = self._read(self._key) or {}
        limit, remaining = _number(record.get("limit")), _number(record.get("remaining"))
        window, source = _number(record.get("window")), record.get("source")
        since, ends = _seconds(record.get("since")), _seconds(record.get("ends"))
        if remaining is None or since is None or ends is None:
            return None
        return _Count(limit, remaining, window, _parse_source(source), since, ends)

    def _read(self, key: str) -> Record | None:
        return self._own.get(key) if self._memory is None else self._memory.read(key)

    def _write(self, key: str, record: Record) -> None:
        if self._memory is None:
            self._own[key] = record
        else:
            self._memory.write(key, record)


def _is_within(since: float, now: float, until: float) -> bool:
    """Whether something written at `since` still counts.

    What was written in the future, or for longer than anything is, proves a clock that was set.
    """
    return since - CLOCK_SLACK <= now < until <= since + LONGEST_RETRY_AFTER


def _is_same_window(last: _Count, found: _Count) -> bool:
    """Whether no renewal lies between the two: nothing was given back, nothing else counts."""
    same = (found.limit, found.window, found.source) == (last.limit, last.window, last.source)
    return same and found.remaining <= last.remaining


def _parse_count(header: str | None) -> tuple[int | None, int | None]:
    """The count and its window in seconds, each None if it is not there or makes no sense."""
    if header is None or len(header) > _LONGEST_HEADER:
        return None, None
    # Of several quotas, the one that is nearest to its end comes first.
    count, *parameters = (part.strip() for part in header.partition(",")[0].split(";"))
    windows = [part.removeprefix("w=") for part in parameters if part.startswith("w=")]
    return _parse_digits(count), _bounded(_parse_digits(windows[0])) if windows else None


def _parse_digits(text: str) -> int | None:
    return int(text) if _DIGITS.fullmatch(text) else None


def _parse_source(value: object) -> str | None:
    if not isinstance(value, str) or not value.isascii() or not value.isprintable():
        return None
    return value if 0 < len(value) <= _LONGEST_SOURCE else None


def _bounded(window: int | None) -> int | None:
    return min(window, LONGEST_WINDOW) if window else None


def _number(value: object) -> int | None:
    """A count from a record."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _LARGEST_NUMBER:
        return value
    return None


def _seconds(value: object) -> float | None:
    """A moment from a record, such as `datetime` can hold."""
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 2**37:
        return float(value)
    return None


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
