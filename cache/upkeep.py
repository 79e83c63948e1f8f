"""What the mirror does by itself, beside serving.

It reads its store again, for damage, writes down in batches what pulls have left behind, and
removes what is not to be kept.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from cache import catalog, meters, report, retention, runtime, scrub
from cache.access import machine_tokens
from cache.meters import families
from cache.scrub import Finding, Job, Pace
from cache.signals import RollCall

log = logging.getLogger(__name__)

#: Seconds between two batches.
FLUSH_STEP = 5.0

#: Seconds between two looks at the roll call, which asks for a batch at once.
CALL_STEP = 0.1


def start() -> None:
    """Begin what goes on in the background of this process, which must not be forked later."""
    for work in (
        _scrub,
        _keep_flushing,
        _keep_house,
        _keep_looking,
        _keep_purging,
        report.keep_showing,
    ):
        threading.Thread(target=work, name=work.__name__.strip("_"), daemon=True).start()


def flush() -> bool:
    """Write down what this process's pulls have left behind; whether the database took the pulls.

    Raises ``OSError`` if the store's folders are gone.
    """
    traffic = runtime.current().traffic
    began_at = time.monotonic()
    is_written = catalog.write_down(traffic)
    if is_written:
        # What came meanwhile is younger.
        traffic.told_at = began_at
    used = traffic.take_used()
    if used:
        machine_tokens.record_use(used)
    report.flush()
    return is_written


def scrub_job(
    rate: int,
    *,
    repair: bool,
    on_finding: Callable[[Finding], None],
    on_progress: Callable[[int], None] = lambda _read: None,
) -> Job:
    """A pass through this mirror's store, at ``rate`` bytes per second."""
    mirror = runtime.current()
    return Job(
        store=mirror.store,
        records=catalog,
        pace=Pace(rate),
        repair=repair,
        now=mirror.now,
        on_finding=on_finding,
        on_progress=on_progress,
        kept_parts=runtime.kept_parts(mirror.config),
    )


def background_place() -> Path:
    """Where the background's scrub keeps its place."""
    return runtime.current().config.storage.root / "scrub.json"


def command_place() -> Path:
    """The same for the operator's own passes, which the background's do not disturb."""
    return runtime.current().config.storage.root / "verify_store.json"


def _note_finding(finding: Finding) -> None:
    scrub.log_finding(finding)
    if finding.kind in scrub.DAMAGE:
        meters.add(families.DAMAGED, finding.kind)


def _keep_flushing() -> None:
    while True:
        try:
            roll = runtime.current().roll
            with roll.joined() as answer:
                _flush_when_called(roll, answer)
        except OSError as error:
            # The store's folders are gone, or full: nobody can call this process until then.
            log.error("What pulls have left behind is not written down: %s", error)
        time.sleep(FLUSH_STEP)
        with suppress(OSError):
            flush()


def _flush_when_called(roll: RollCall, answer: Callable[[int], None]) -> NoReturn:
    answered = roll.number()
    answer(answered)
    flushed_at = time.monotonic()
    while True:
        time.sleep(CALL_STEP)
        called = roll.number()
        if called == answered and time.monotonic() - flushed_at < FLUSH_STEP:
            continue
        is_written = flush()
        flushed_at = time.monotonic()
        runtime.release_retired()
        if is_written and called != answered:
            answer(called)
            answered = called


def _keep_house() -> None:
    while True:
        try:
            with scrub.alone(runtime.current().locks / "janitor.lock", wait=True):
                retention.keep_house()
        except OSError as error:
            # The store's folders are gone: without a janitor they would fill once they are back.
            log.error("Nothing is evicted: %s", error)
        time.sleep(FLUSH_STEP)


def _keep_looking() -> None:
    retention.keep_working(retention.LOOKING)


def _keep_purging() -> None:
    retention.keep_working(retention.CARRYING_OUT)


def _scrub() -> None:
    try:
        mirror = runtime.current()
        wanted = mirror.config.storage.scrub
        if wanted.interval:
            scrub.keep_verifying(
                scrub_job(wanted.rate, repair=True, on_finding=_note_finding),
                background_place(),
                mirror.locks / "scrub.lock",
                wanted.interval.total_seconds(),
            )
    except OSError as error:
        log.error("The store is not scrubbed: %s", error)
