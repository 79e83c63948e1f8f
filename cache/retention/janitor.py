"""The janitor of the running mirror: one of all its processes, and of all its machines."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from django.db import Error as DatabaseError
from django.db import connection, connections

from cache import runtime
from cache.retention.reconcile import reconcile
from cache.retention.run import Run, Summary, current_policy, measure
from cache.retention.runs import told
from cache.retention.sizes import add_up
from cache.retention.words import readable

if TYPE_CHECKING:
    import psycopg

log = logging.getLogger(__name__)

#: Seconds between two runs, if no limit is crossed meanwhile.
INTERVAL = 300.0

#: Seconds between two looks at the bell; nothing is asked of the database for them.
LISTEN_STEP = 0.2

#: A growing store is measured no more often than this (seconds).
_MEASURE_STEP = 1.0

#: Records and files are brought together at the start, and then so often (seconds).
_RECONCILE = 24 * 3600.0

#: After a failure, seconds until the next try.
_TRY_AGAIN = 30.0

#: When a run could not keep to the limits, a growing store asks for no other one so long (seconds).
_NO_HOPE = 5.0

#: A fill waits for so many runs, one after the other, as long as they remove something.
_TRIES = 3

#: Names the janitors' lock among PostgreSQL's advisory locks.
_ADVISORY = 0x6D6972726F72

#: Of its time the janitor works so much, at most, while clients pull through the same process.
_SHARE = 0.5


class Pace:
    """Leaves the other threads of the process their time: for each second of work, some of rest."""

    def __init__(
        self,
        share: float = _SHARE,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._rest = 1 / share - 1
        self._clock = clock
        self._sleep = sleep
        self._rested_at = clock()

    def __call__(self) -> None:
        """Rest, for what was done since the last rest."""
        self._sleep(min(1.0, (self._clock() - self._rested_at) * self._rest))
        self._rested_at = self._clock()


@dataclass
class Alarm:
    """Whether what was heard calls for a run before its time. Moments are in seconds.

    Each fill rings, and when nothing more may go a run helps nobody: after one in vain a growing
    store asks for no other one for a while. Who waits for room does.
    """

    heard: object
    _measured_at: float = float("-inf")
    _patient_until: float = float("-inf")

    def ran(self, at: float, *, in_vain: bool) -> None:
        """There was a run; ``in_vain``: beyond the limits all the same."""
        self._patient_until = at + _NO_HOPE if in_vain else at

    def calls(
        self, now: float, heard: object, wanted: Callable[[], int], is_over: Callable[[], bool]
    ) -> bool:
        """``wanted`` tells for how many bytes somebody waits, ``is_over`` costs a query."""
        if heard == self.heard or now - self._measured_at < _MEASURE_STEP:
            return False
        if wanted():
            return True
        if now < self._patient_until:
            return False
        self.heard, self._measured_at = heard, now
        return is_over()


def _go_on() -> None:
    pass


def keep_house(interval: float = INTERVAL, listen_step: float = LISTEN_STEP) -> NoReturn:
    """Run now and then, and at once when a limit is crossed, for ever.

    For the one process that holds the janitor's lock on this machine. It outlives whatever goes
    wrong in a run.
    """
    while True:
        try:
            with _alone_in_the_database() as is_still_alone:
                _keep_house(is_still_alone, interval, listen_step)
        except Exception:
            log.exception("The janitor stopped; it goes on in %g s", _TRY_AGAIN)
        finally:
            connections.close_all()
        time.sleep(_TRY_AGAIN)


def _keep_house(is_still_alone: Callable[[], bool], interval: float, listen_step: float) -> None:
    mirror = runtime.current()
    reconciled_at = ran_at = added_up_at = float("-inf")
    # Not what was heard before: it is the first run's business.
    alarm = Alarm(mirror.bell.heard())
    while is_still_alone():
        if time.monotonic() - ran_at >= interval:
            summary = clean()
            ran_at = time.monotonic()
            alarm.ran(ran_at, in_vain=bool(summary.over or summary.short))
            if ran_at - added_up_at >= interval:
                add_up(mirror.now(), Pace())
                added_up_at = time.monotonic()
        if time.monotonic() - reconciled_at >= _RECONCILE:
            reconcile(Pace())
            reconciled_at = time.monotonic()
        connection.close_if_unusable_or_obsolete()
        config = runtime.current().config
        while time.monotonic() - ran_at < interval:
            time.sleep(listen_step)
            if runtime.current().config is not config:
                break
            if alarm.calls(time.monotonic(), mirror.bell.heard(), mirror.bell.wanted, _is_over):
                break
        else:
            continue
        ran_at = float("-inf")


def clean() -> Summary:
    """One run by the mirror itself, which answers those who wait for room."""
    mirror = runtime.current()
    with told(mirror.now(), mirror.now) as said:
        said.summary = _clean(mirror)
    return said.summary


def _clean(mirror: runtime.Runtime) -> Summary:
    began_at = time.time_ns()
    try:
        kept = runtime.kept_parts(mirror.config)
        mirror.store.sweep(mirror.now().timestamp(), kept)
        wanted = mirror.bell.wanted()
        # Nobody rests while a fill waits.
        pause = _go_on if wanted else Pace()
        for _ in range(_TRIES):
            summary = Run(policy=current_policy(), by="janitor", wanted=wanted, pause=pause).now()
            if not wanted or not (summary.images or summary.blobs) or _has_room(wanted):
                break
            # What removing has written to the database's log has taken some of the room again.
            _tell(summary)
    finally:
        # Also when it failed: who waits streams past the store, and waits no longer for that.
        mirror.bell.answer(began_at)
    _tell(summary)
    return summary


def _is_over() -> bool:
    """Whether the store or its disk has grown beyond a limit."""
    policy, use = current_policy(), measure()
    if policy.max_size is not None and use.held > policy.max_size:
        return True
    return use.free < policy.min_free.of(use.disk)


def _has_room(wanted: int) -> bool:
    use = measure()
    return use.free - wanted >= current_policy().min_free.of(use.disk)


def _tell(summary: Summary) -> None:
    if summary.images or summary.blobs:
        log.info(
            "Removed %d images and %d blobs, %s; the store holds %s",
            summary.images,
            summary.blobs,
            readable(summary.size),
            readable(summary.held),
        )
    if summary.over or summary.short:
        log.warning(
            "The store is %s over its size and its disk %s too full: what is left is pinned, or is "
            "being pulled",
            readable(summary.over),
            readable(summary.short),
        )


@contextmanager
def _alone_in_the_database() -> Iterator[Callable[[], bool]]:
    """Hold a lock against other machines on the same PostgreSQL; waits for it.

    The block is given how to ask whether it still holds the lock, which falls with its connection.
    """
    if connection.vendor != "postgresql":
        yield lambda: True
        return
    # Only here: SQLite needs nothing of it, and it takes a quarter of a command's start.
    import psycopg  # noqa: PLC0415

    # A connection of its own: one of the pool would go back, lock and all.
    parameters: dict[str, Any] = connection.get_connection_params()
    parameters = {k: v for k, v in parameters.items() if k in _LIBPQ}
    with psycopg.connect(**parameters, autocommit=True) as own:
        while not _query(own, "SELECT pg_try_advisory_lock(%s)", _ADVISORY):
            time.sleep(_TRY_AGAIN / 10)

        def is_still_alone() -> bool:
            try:
                return bool(_query(own, "SELECT 1"))
            except (DatabaseError, psycopg.Error):
                return False

        yield is_still_alone


#: What of Django's parameters is libpq's, and not the adapter's.
_LIBPQ = frozenset(
    {"dbname", "user", "password", "host", "port", "service", "passfile", "sslmode", "sslrootcert"}
    | {"sslcert", "sslkey", "connect_timeout", "tcp_user_timeout", "keepalives_idle"}
    | {"keepalives_interval", "keepalives_count"}
)


def _query(own: psycopg.Connection[Any], sql: str, *parameters: int) -> bool:
    row = own.execute(sql.encode(), parameters).fetchone()
    return bool(row and row[0])
