"""How the mirror is, in lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from cache import wording
from cache.management.progress import bar, clock_time
from cache.overview.health import Disk, UpstreamHealth
from cache.overview.janitor import JanitorHealth
from cache.overview.standing import Recorded, Standing
from cache.overview.transfers import Ended, Filling

_LABEL = 11
_DIGEST = 19
_MOST_ENDED = 3


def lines(found: Standing, rows: int | None = None) -> list[str]:
    """All of it; of the transfers no more than fit into so many rows."""
    head = [
        f"{found.verdict.sentence}  ({_processes(found)}, {found.at:%Y-%m-%d %H:%M:%S} UTC)",
        *(_recorded(found.recorded, found.at) if found.recorded else ()),
        *_labelled("upstream", *(_upstream(one, found.at) for one in found.upstreams)),
    ]
    bars = [filling(one) for one in found.fillings]
    if rows is not None and len(bars) > (room := max(1, rows - len(head) - 2)):
        bars = [*bars[:room], f"and {len(bars) - room} more"]
    title = f"{len(found.fillings)} under way, {wording.rate(found.arriving)} in all"
    done = [] if bars else [_ended(one, found.at) for one in found.ended[:_MOST_ENDED]]
    return [plain(line) for line in (*head, *_labelled("transfers", title), *bars, *done)]


def line(found: Standing) -> str:
    """The numbers that change most, in one line."""
    parts = [f"{found.at:%H:%M:%S}", f"{len(found.fillings)} transfers"]
    sizes = [one.size for one in found.fillings if one.size]
    if sizes:
        here = sum(one.arrived for one in found.fillings if one.size)
        parts.append(f"{wording.size(here)} of {wording.size(sum(sizes))}")
    parts.append(f"{wording.rate(found.arriving)} arriving")
    if found.recorded:
        rates, totals = found.recorded.rates, found.recorded.totals
        parts += [f"{rates.requests:.1f} requests/s", f"{wording.rate(rates.served)} served"]
        parts.append(f"hit ratio {wording.percent(totals.hit_ratio)}")
    parts += [f"{one.name} {one.state}" for one in found.upstreams if one.state != "ok"]
    if found.recorded is None:
        parts.append(found.verdict.sentence)
    return plain("  ".join(parts))


def filling(one: Filling) -> str:
    """A transfer: its bar, what it is, how far, how fast."""
    digest = one.digest[:_DIGEST]
    readers = f"{one.readers} reader{'s' * (one.readers != 1)}"
    resumed = f"  resumed {one.resumed} times" if one.resumed else ""
    if one.part is None:
        done = f"{bar(0)}    ?  "
        sizes = f"{wording.size(one.arrived)} of unknown size"
    else:
        part = min(1.0, one.part)
        done = f"{bar(part)} {int(part * 100):>3} %  "
        sizes = f"{wording.size(one.arrived)} of {wording.size(one.size or 0)}"
    return (
        f"{done}{one.repository}  {digest}…  {sizes}  {wording.rate(one.speed)}  "
        f"{clock_time(one.seconds_left)} to go  {readers}{resumed}"
    )


def plain(text: str) -> str:
    """What comes from outside must not move a terminal's cursor."""
    return "".join(sign if sign.isprintable() else "?" for sign in text)


def _processes(found: Standing) -> str:
    return f"{found.processes} process{'es' * (found.processes != 1)}"


def _recorded(recorded: Recorded, now: datetime) -> Iterator[str]:
    rates, totals = recorded.rates, recorded.totals
    yield from _labelled(
        "now",
        f"{rates.requests:.1f} requests/s  {wording.rate(rates.served)} to clients  "
        f"{wording.rate(rates.fetched)} from upstream  (mean of the last minute)",
    )
    stale = f" ({wording.count(totals.stale)} stale)" if totals.stale else ""
    yield from _labelled(
        "24 hours",
        f"hit ratio {wording.percent(totals.hit_ratio)}  {wording.count(totals.pulls)} "
        f"pulls{stale}  {wording.size(totals.served)} to clients  "
        f"{wording.size(totals.fetched)} from upstream  {wording.size(totals.saved)} saved",
    )
    yield from _labelled("disk", _disk(recorded.disk))
    yield from _labelled("janitor", _janitor(recorded.janitor, now))


def _disk(disk: Disk | None) -> str:
    if disk is None:
        return "the store's folder cannot be looked at"
    text = f"{wording.size(disk.free)} of {wording.size(disk.used + disk.free)} free"
    if disk.held is not None:
        text += f"  {wording.size(disk.held)} held"
    if disk.limit is not None:
        text += f", {wording.size(disk.limit)} allowed"
    if disk.full_at is not None:
        text += f"  full on {disk.full_at:%Y-%m-%d} at this pace"
    return text


def _janitor(janitor: JanitorHealth, now: datetime) -> str:
    if janitor.problem and janitor.ended_at is not None:
        return f"stopped {_ago(janitor.ended_at, now)}: {janitor.problem}"
    if janitor.working_since is not None:
        worked = f"at work, began {_ago(janitor.working_since, now)}"
    elif janitor.ended_at is not None:
        worked = f"worked {_ago(janitor.ended_at, now)}"
    else:
        worked = "has not worked yet"
    late = "  late: nothing is evicted" if janitor.is_late else ""
    return f"{worked}{late}  freed {wording.size(janitor.freed)} in 24 hours"


def _upstream(one: UpstreamHealth, now: datetime) -> str:
    parts = [one.name, _STATES[one.state]]
    if one.state == "ok" and one.latency is not None:
        parts.append(wording.duration(one.latency))
    if one.state == "away":
        since = f"for {wording.duration((now - one.since).total_seconds())}" if one.since else ""
        parts += [since, one.problem]
    if one.remaining is not None and one.limit:
        renews = f", renewed in {_in(one.renews_at, now)}" if one.renews_at else ""
        parts.append(f"quota {one.remaining} of {one.limit} left{renews}")
    if one.held_until is not None and one.held_until > now:
        parts.append(f"no manifest is asked for within {_in(one.held_until, now)}")
    return "  ".join(part for part in parts if part)


_STATES = {"ok": "answers", "away": "away", "offline": "offline", "unknown": "not asked yet"}


def _ended(one: Ended, now: datetime) -> str:
    moment = datetime.fromtimestamp(one.ended_at, now.tzinfo)
    how = one.problem or f"whole, {wording.size(one.arrived)} at {wording.rate(one.speed)}"
    return f"{'':{_LABEL}}{one.repository}  {one.digest[:_DIGEST]}…  {_ago(moment, now)}: {how}"


def _labelled(label: str, *texts: str) -> list[str]:
    return [f"{'' if number else label:<{_LABEL}}{text}" for number, text in enumerate(texts)]


def _ago(then: datetime, now: datetime) -> str:
    seconds = (now - then).total_seconds()
    return "just now" if seconds < 1 else f"{wording.duration(seconds)} ago"


def _in(then: datetime, now: datetime) -> str:
    return wording.duration(max(0.0, (then - now).total_seconds()))
