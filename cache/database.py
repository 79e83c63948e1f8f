"""How the pull path uses the database: briefly, and never longer than it may take.

A question is asked on a connection that goes back as soon as it is answered: who waits for
upstream, or streams to a slow client, holds none of PostgreSQL's. A note is what a pull learned
and could learn again. The answer does not depend on it, so a database that does not take it (it is
locked, gone, full) costs a line in the log and no pull.
"""

from __future__ import annotations

import functools
import logging
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection, transaction

from cache import meters
from cache.meters import families

log = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")

#: What a database raises that is locked, gone, full or read-only; anything else is a defect.
TROUBLE = (OperationalError, InterfaceError)

#: A statement that fails within so many seconds failed on a connection which the server had closed
#: long ago; one that waited for a lock or for a connection takes longer.
_AT_ONCE = 1.0

#: So many of a process's threads keep SQLite's connection while they do something that takes long.
MOST_KEPT = 32

_keepers: weakref.WeakSet[threading.Thread] = weakref.WeakSet()
_keeping = threading.Lock()

#: A note that was refused so long ago (seconds), with none since, says nothing of now.
_REMEMBERED = 60.0


def question(ask: Callable[P, R]) -> Callable[P, R]:
    """Have ``ask`` return its connection, and ask once more if the connection was a dead one.

    It must be safe to repeat. Raises ``django.db.Error`` when the database does not answer.
    """
    return _asked(ask, "question")


def _asked(ask: Callable[P, R], kind: str) -> Callable[P, R]:
    """The same for a ``kind`` of it whose time is measured."""

    def ask_twice(began: float, *args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return ask(*args, **kwargs)
        except TROUBLE:
            if time.monotonic() - began >= _AT_ONCE or not _discard_dead_connections():
                raise
            return ask(*args, **kwargs)

    @functools.wraps(ask)
    def asked(*args: P.args, **kwargs: P.kwargs) -> R:
        began = time.monotonic()
        try:
            return ask_twice(began, *args, **kwargs)
        except TROUBLE:
            meters.add(families.DATABASE_ERRORS, kind)
            raise
        finally:
            give_back()
            seconds = time.monotonic() - began
            meters.observe(families.DATABASE_SECONDS, kind, value=seconds)

    return asked


def give_back() -> None:
    """Have the pool get its connection back, unless a transaction is under way on it.

    A question that is part of a larger transaction leaves the connection to that: Django would
    close it here, and with it end the transaction.
    """
    if not connection.in_atomic_block:
        connection.close_if_unusable_or_obsolete()


def let_go() -> None:
    """Close this thread's connection, unless it is one of the few that may keep theirs.

    What comes next takes long.

    SQLite's take 250 KB each, and there may be a thousand threads; to open one takes a millisecond,
    for which somebody may wait who pulls next. PostgreSQL's are in a pool.
    """
    if connection.vendor != "sqlite" or connection.in_atomic_block:
        return
    if not _may_keep(threading.current_thread()):
        connection.close()


def _may_keep(thread: threading.Thread) -> bool:
    with _keeping:
        if thread not in _keepers and len(_keepers) >= MOST_KEPT:
            for other in [other for other in _keepers if not other.is_alive()]:
                _keepers.discard(other)
        if len(_keepers) < MOST_KEPT:
            _keepers.add(thread)
        return thread in _keepers


@question
def check_answers() -> None:
    """Return if the database answers; raises ``django.db.Error`` if it does not."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def note(write: Callable[P, None]) -> Callable[P, bool]:
    """Have a write be a note, in one transaction.

    It returns whether the database took it, and raises nothing for it.
    """
    asked = _asked(transaction.atomic(write), "note")

    @functools.wraps(write)
    def noted(*args: P.args, **kwargs: P.kwargs) -> bool:
        try:
            with _turn_to_write():
                asked(*args, **kwargs)
        except TROUBLE as error:
            reason = " ".join(str(error).split())
            log.warning("The database did not take a note (%s): %s", write.__name__, reason)
            _refusals.note(refused=True)
            return False
        _refusals.note(refused=False)
        return True

    return noted


def takes_notes() -> bool:
    """Whether the database took this process's last note, as far as one was tried lately.

    That it is only locked for writers, or full, shows in nothing else: to try at each probe would
    have the writers of a busy mirror wait for the probes.
    """
    return not _refusals.are_recent()


class Refusals:
    """Whether the last note was refused. What is put off is tried again within seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last: float | None = None

    def note(self, *, refused: bool) -> None:
        """A note was refused, or taken."""
        self._last = self._clock() if refused else None

    def are_recent(self) -> bool:
        """Whether the last note was refused, and not long ago."""
        last = self._last
        return last is not None and self._clock() - last < _REMEMBERED


_refusals = Refusals()


def _discard_dead_connections() -> bool:
    """Throw away what the pool holds of a server that has gone; whether there is a pool."""
    pool = getattr(connection, "pool", None)
    if pool is None or connection.in_atomic_block:
        return False
    connection.close()
    pool.check()
    return True


class Line:
    """Where the threads of a process wait for their turn to write.

    SQLite has one writer, and lets those who wait try again at random until their time is over:
    of hundreds of threads some would never be lucky.
    """

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._written = 0

    @contextmanager
    def turn(self, patience: float) -> Iterator[None]:
        """The block is one write, and the only one now.

        Raises ``OperationalError`` when nobody got a write done for ``patience`` seconds. A long
        line that moves is waited for: giving up would only lose what was learned. Its end is that
        of the threads, each of which stands in it once.
        """
        written = self._written
        while not self._turn.acquire(timeout=patience):
            if self._written == written:
                raise OperationalError("those who came before got nothing written")
            written = self._written
        try:
            yield
            self._written += 1
        finally:
            self._turn.release()


_line = Line()


@contextmanager
def _turn_to_write() -> Iterator[None]:
    if connection.vendor != "sqlite":
        yield
        return
    with _line.turn(settings.DATABASE_PATIENCE):
        yield
