"""Purges that operators order in the dashboard: asked for, looked through, confirmed, carried out.

No request waits for any of it. Each process of the mirror works on what has been ordered: it claims
an order in the database, renews the claim while it works, and a claim that is not renewed is that
of a process that has ended. Then another goes on where it stopped, which is safe, since what has
gone is gone and all else is as it was shown.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import NoReturn

from django.db import Error as DatabaseError
from django.db import connections
from django.db.models import F, Q, QuerySet

from cache import models, runtime
from cache.database import give_back
from cache.models import PurgeOrder
from cache.oci.selection import Selection
from cache.retention.carry_out import Stopped, carry_out
from cache.retention.evict import NotTaken
from cache.retention.look import NothingToPurge, TooMuch, look
from cache.retention.run import Busy, measure

log = logging.getLogger(__name__)

State = PurgeOrder.State

#: Seconds between two signs of life of whoever is at work, and when it is not there any more.
BEAT = 5.0
DEAD_AFTER = timedelta(seconds=30)

#: An order that has cost so many processes their life is given up.
MOST_ATTEMPTS = 3

#: What was shown may be confirmed so long. What is confirmed later than that is looked for again.
SHOWN_FOR = timedelta(minutes=30)

#: Seconds between two looks at the bell, and at the database when nobody has rung.
LISTEN_STEP = 0.2
LOOK_STEP = 10.0

#: What an order is taken up from, and to.
LOOKING = State.ASKED, State.LOOKING
CARRYING_OUT = State.CONFIRMED, State.AT_WORK

MOVING = (*LOOKING, *CARRYING_OUT)


class NotThatWay(Exception):
    """The order is not in a state in which this can be done to it; the message is a sentence."""


def order_by_name(selection: Selection, by: str, unused_for: timedelta | None, why: str) -> int:
    """Ask for what is selected, or what of it was not pulled for so long; the order's number."""
    return _ask(by, why, what=selection.text, unused_for=_seconds(unused_for))


def order_by_age(unused_for: timedelta, by: str) -> int:
    """Ask for everything that was not pulled for so long and is not pinned."""
    return _ask(by, "", unused_for=_seconds(unused_for))


def order_by_size(to_free: int, by: str) -> int:
    """Ask for so many bytes back, of what was pulled longest ago and is not pinned; ``OSError``."""
    return _ask(by, "", to_free=to_free, leave=max(0, measure().held - to_free))


def confirm(number: int, by: str, *, with_pinned: bool) -> None:
    """Have what was shown go, and what of it is pinned only if that is said; NotThatWay."""
    now = runtime.current().now()
    _move(
        models.PurgeOrder.objects.filter(
            pk=number, state=State.SHOWN, shown_at__gte=now - SHOWN_FOR
        ),
        "it was not shown lately, or somebody has decided on it already: look again",
        state=State.CONFIRMED,
        by=by,
        confirmed_at=now,
        with_pinned=with_pinned,
        beat_at=None,
        attempts=0,
    )


def look_again(number: int, by: str) -> None:
    """Have an order that was not confirmed be looked through once more; NotThatWay."""
    order = models.PurgeOrder.objects.filter(pk=number).first()
    rows = models.PurgeOrder.objects.filter(pk=number, confirmed_at=None, state=State.SHOWN)
    failed = models.PurgeOrder.objects.filter(pk=number, confirmed_at=None, state=State.FAILED)
    leave = None
    if order is not None and order.to_free is not None:
        leave = max(0, measure().held - order.to_free)
    _move(
        rows | failed,
        "it is being looked through, or somebody has decided on it already",
        state=State.ASKED,
        by=by,
        leave=leave,
        asked_at=runtime.current().now(),
        **_AFRESH,
    )


def go_on(number: int) -> None:
    """Carry out the rest of an order that failed, or was stopped, half-way; NotThatWay."""
    _move(
        models.PurgeOrder.objects.filter(pk=number, confirmed_at__isnull=False, state=State.FAILED),
        "it is not one that stopped half-way",
        state=State.CONFIRMED,
        # It was begun before, which whoever goes on must know.
        **{**_AFRESH, "attempts": 1},
    )


def stop(number: int) -> None:
    """Have no more of an order go than what is going just now; NotThatWay."""
    _move(
        models.PurgeOrder.objects.filter(pk=number, state__in=CARRYING_OUT),
        "it is not under way",
        is_to_stop=True,
    )


_AFRESH = {"beat_at": None, "attempts": 0, "problem": "", "is_to_stop": False, "ended_at": None}


def _ask(by: str, why: str, **wanted: object) -> int:
    now = runtime.current().now()
    order = models.PurgeOrder.objects.create(by=by, why=why, asked_at=now, **wanted)
    runtime.current().orders.ring()
    return order.pk


def _move(rows: QuerySet[PurgeOrder], otherwise: str, **changes: object) -> None:
    """Change a row if it is one of these, so that of two who want it one has it."""
    if not rows.update(**changes):
        raise NotThatWay(otherwise)
    runtime.current().orders.ring()


def _seconds(duration: timedelta | None) -> int | None:
    return None if duration is None else int(duration.total_seconds())


def keep_working(states: tuple[State, State]) -> NoReturn:
    """Take up what is ordered, as it comes, for ever; in one of the process's threads."""
    heard: object = None
    looked_at = float("-inf")
    while True:
        time.sleep(LISTEN_STEP)
        now_heard = runtime.current().orders.heard()
        if now_heard == heard and time.monotonic() - looked_at < LOOK_STEP:
            continue
        heard, looked_at = now_heard, time.monotonic()
        try:
            work_off(states)
        except (DatabaseError, OSError) as error:
            reason = " ".join(str(error).split())
            log.warning("Purges wait: %s", reason)
        except Exception:
            log.exception("A purge failed; others go on")
        finally:
            connections.close_all()


def work_off(states: tuple[State, State]) -> None:
    """Take up all that is ordered now and not taken up by another process."""
    while (order := _claim(*states)) is not None:
        with _beating(order.pk):
            _work(order)


def _claim(waiting: State, taken: State) -> PurgeOrder | None:
    now = runtime.current().now()
    left_behind = Q(state=taken) & (Q(beat_at=None) | Q(beat_at__lt=now - DEAD_AFTER))
    rows = models.PurgeOrder.objects.filter(Q(state=waiting) | left_behind).order_by("pk")
    for order in rows:
        if _take(order, taken, now):
            order.refresh_from_db()
            return order
    give_back()
    return None


def _take(order: PurgeOrder, taken: State, now: datetime) -> bool:
    """Claim the order, unless another has done so since it was read."""
    as_read = models.PurgeOrder.objects.filter(
        pk=order.pk, state=order.state, beat_at=order.beat_at
    )
    return bool(as_read.update(state=taken, beat_at=now, attempts=F("attempts") + 1))


def _work(order: PurgeOrder) -> None:
    problem = ""
    is_looking = order.state == State.LOOKING
    if order.attempts > MOST_ATTEMPTS:
        problem = f"{MOST_ATTEMPTS} worker processes have ended over it: the log may say why"
    else:
        try:
            (look if is_looking else carry_out)(order)
        except (Busy, NotTaken, Stopped, NothingToPurge, TooMuch) as error:
            problem = str(error)
        except OSError as error:
            problem = f"the store failed: {error}"
        except DatabaseError as error:
            problem = f"the database failed: {' '.join(str(error).split())}"
    now = runtime.current().now()
    end = State.FAILED if problem else State.SHOWN if is_looking else State.DONE
    at = {"shown_at": now} if end == State.SHOWN else {"ended_at": now}
    models.PurgeOrder.objects.filter(pk=order.pk).update(state=end, problem=problem, **at)
    if not is_looking:
        log.info("The purge %d by %s is %s%s", order.pk, order.by, end, problem and f": {problem}")


@contextmanager
def _beating(number: int) -> Iterator[None]:
    """Give signs of life, also while the work itself waits for its turn."""
    over = threading.Event()

    def beat() -> None:
        try:
            while not over.wait(BEAT):
                now = runtime.current().now()
                try:
                    models.PurgeOrder.objects.filter(pk=number).update(beat_at=now)
                except DatabaseError as error:
                    log.warning("A purge gave no sign of life: %s", error)
        finally:
            connections.close_all()

    thread = threading.Thread(target=beat, name="purge-beat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
