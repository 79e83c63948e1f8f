"""What a process tells of itself to the operator: its traffic and troubles, its fills, its levels.

The sums go to the database every few seconds, beside the pulls; what changes by the second goes to
a small file, see :mod:`cache.pulse`.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

from cache import catalog, logbook, metrics, pulse, runtime
from cache.contact import Contact
from cache.pulse import Pulse, Transfer
from cache.runtime import Runtime

log = logging.getLogger(__name__)

#: Seconds between two looks at what changes by the second.
STEP = 1.0

#: Without any fill at work, the file is renewed this often only (seconds).
IDLE_STEP = 5.0

#: One failure is no outage: a request may be lost.
OUTAGE_FAILURES = 2

#: What is left of a quota is remembered for each of such spans.
QUOTA_STEP = timedelta(minutes=10)

_EPOCH = datetime.fromtimestamp(0, UTC)

#: What grows old is removed, and the disk is looked at, this often (seconds).
RARELY = timedelta(hours=1)


class Reporter:
    """Tells of one process, and remembers what it has told."""

    def __init__(self, mirror: Runtime) -> None:
        self._mirror = mirror
        self._folder = pulse.folder_of(mirror.config.storage.root)
        self._rarely_at: datetime | None = None
        self._quotas: dict[str, tuple[datetime, int, int]] = {}
        self._answered: dict[str, float] = {}
        self._seen: dict[str, tuple[float, int, float]] = {}
        self._shown_at = 0.0

    def flush(self) -> None:
        """Write to the database what was added up since the last time."""
        mirror = self._mirror
        counted = mirror.tally.take()
        if counted and not catalog.add_traffic(counted, mirror.now()):
            mirror.tally.put_back(counted)
        for upstream, contact in mirror.contacts.all().items():
            self._tell_contact(upstream, contact)
        now = mirror.now()
        self._tell_quotas(now)
        if self._rarely_at is None or now - self._rarely_at >= RARELY:
            self._rarely_at = now
            self._do_rarely(now)

    def show(self, now: float) -> None:
        """Follow wishes to cancel, and renew the file that shows this process."""
        coalescer = self._mirror.coalescer
        for digest in pulse.wished_cancels(self._folder, now):
            if any(
                coalescer.cancel(s.digest) for s in coalescer.states() if str(s.digest) == digest
            ):
                pulse.forget_cancel(self._folder, digest)
        transfers = tuple(self._transfer(state, now) for state in coalescer.states())
        self._seen = {
            transfer.digest: (now, transfer.arrived, transfer.speed) for transfer in transfers
        }
        if not transfers and now - self._shown_at < IDLE_STEP:
            return
        # Once more after the last fill has ended, so that it is not shown as going on.
        self._shown_at = now if not transfers else 0.0
        pulse.write(self._folder, self._pulse(now, transfers))

    def _pulse(self, now: float, transfers: tuple[Transfer, ...]) -> Pulse:
        mirror = self._mirror
        return Pulse(
            at=now,
            process=os.getpid(),
            transfers=transfers,
            ended=tuple(
                self._transfer(ended.state, ended.at, ended.at)
                for ended in mirror.coalescer.ended()
            ),
            upstreams={
                name: {**asdict(known), "is_left_alone": mirror.upstreams[name].is_away}
                for name, known in mirror.contacts.all().items()
                if name in mirror.upstreams
            },
            pulls=tuple(
                {**asdict(pull), "at": pull.at.timestamp()} for pull in mirror.tally.last_pulls()
            ),
        )

    def _transfer(self, state: object, now: float, ended_at: float | None = None) -> Transfer:
        fields = {name: getattr(state, name) for name in Transfer.__slots__ if hasattr(state, name)}
        fields["digest"] = str(fields["digest"])
        arrived = fields["arrived"]
        if ended_at is not None:
            speed = arrived / max(0.001, ended_at - fields["started_at"])
        else:
            at, before, speed = self._seen.get(fields["digest"], (fields["started_at"], 0, 0.0))
            if now > at:
                newest = max(0, arrived - before) / (now - at)
                speed = newest if not speed else (speed + newest) / 2
        return Transfer(**fields, speed=speed, ended_at=ended_at)

    def _tell_contact(self, upstream: str, contact: Contact) -> None:
        if contact.failing_since is not None and contact.failures >= OUTAGE_FAILURES:
            catalog.record_outage(
                upstream,
                _moment(contact.failing_since),
                _moment(contact.failed_at or contact.failing_since),
                contact.problem,
            )
            return
        answered = contact.answered_at
        if answered is None or self._answered.get(upstream) == answered:
            return
        self._answered[upstream] = answered
        if upstream in catalog.ongoing_outages():
            catalog.end_outage(upstream, _moment(answered))

    def _tell_quotas(self, now: datetime) -> None:
        start = now - (now - _EPOCH) % QUOTA_STEP
        for name, upstream in self._mirror.upstreams.items():
            quota = upstream.quota()
            if quota.limit is None or quota.remaining is None:
                continue
            told = (start, quota.limit, quota.remaining)
            if self._quotas.get(name) != told and catalog.record_quota(
                name, quota.limit, quota.remaining, start
            ):
                self._quotas[name] = told

    def _do_rarely(self, now: datetime) -> None:
        catalog.expire_traffic(now)
        pulse.sweep(self._folder)
        try:
            disk = os.statvfs(self._mirror.config.storage.root)
        except OSError as error:
            log.warning("It cannot be told how full the disk is: %s", error)
            return
        used = (disk.f_blocks - disk.f_bfree) * disk.f_frsize
        catalog.record_disk(used, disk.f_bavail * disk.f_frsize, now)


_lock = threading.Lock()
_reporters: dict[int, Reporter] = {}


def reporter() -> Reporter:
    """The one of the current runtime."""
    mirror = runtime.current()
    with _lock:
        known = _reporters.get(id(mirror))
        if known is None:
            _reporters.clear()
            known = _reporters[id(mirror)] = Reporter(mirror)
        return known


def flush() -> None:
    """Tell the database, for this process."""
    reporter().flush()


def keep_showing() -> None:
    """Show this process, and follow the levels that the operator changed; for ever."""
    levels = logbook.levels_of(runtime.current().config.storage.root)
    while True:
        levels.apply(time.time())
        logbook.flush()
        try:
            metrics.refresh()
            reporter().show(time.time())
        except OSError as error:
            log.debug("This process cannot be shown: %s", error)
        time.sleep(STEP)


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
