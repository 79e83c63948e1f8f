"""What an operator writes about access, at a shell or in a form: which repositories, until when."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from cache.access.decision import Reach
from cache.config import Config, upstream_values, values
from cache.config.document import Scalar
from cache.config.values import Refused
from cache.oci.errors import quote

#: In place of an upstream's name: every one.
EVERYWHERE = "*"

_DAYS = re.compile(r"[0-9]{1,5}d")


class Unreadable(Exception):
    """It means nothing; the message says what was found and what is allowed."""


def read_reach(config: Config, pattern: str, upstream: str) -> Reach:
    """The repositories of an upstream, or of :data:`EVERYWHERE`, that an operator means."""
    names = config.names
    if upstream != EVERYWHERE and upstream not in names:
        known = ", ".join(each.name for each in config.upstreams)
        raise Unreadable(f"no upstream is called {quote(upstream)}: there is {known}, and '*'")
    is_hub = upstream != EVERYWHERE and names[upstream].is_hub
    read = upstream_values.hub_repositories if is_hub else upstream_values.repositories
    try:
        found = read(Scalar(pattern))
    except Refused as refused:
        raise Unreadable(f"found {quote(pattern)}; allowed {refused.allowed}") from None
    return Reach("" if upstream == EVERYWHERE else names[upstream].name, found)


def read_end(text: str, now: datetime) -> datetime:
    """When something is to end: after `30d` or `12h`, or at `2030-01-31` (UTC)."""
    try:
        if _DAYS.fullmatch(text):
            end = now + timedelta(days=int(text[:-1]))
        elif "-" in text:
            given = datetime.fromisoformat(text)
            # Near the year 10000 there are moments that have no name in UTC.
            end = (given if given.tzinfo else given.replace(tzinfo=UTC)).astimezone(UTC)
        else:
            end = now + values.duration(Scalar(text))
    except (ValueError, OverflowError, Refused):
        allowed = "a time such as 30d, 12h or 2030-01-31"
        raise Unreadable(f"found {quote(text)}; allowed {allowed}") from None
    if end <= now:
        raise Unreadable(f"found {quote(text)}, which is over already; allowed a time to come")
    return end
