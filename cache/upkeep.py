"""What the mirror does by itself, beside serving.

It reads its store again, for damage, and writes down in batches what pulls have left behind.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

from cache import catalog, report, runtime, scrub
from cache.access import machine_tokens
from cache.scrub import Finding, Job, Pace

log = logging.getLogger(__name__)

#: Seconds between two batches.
FLUSH_STEP = 5.0


def start() -> None:
    """Begin what goes on in the background of this process, which must not be forked later."""
    for work in (_scrub, _keep_flushing, report.keep_showing):
        threading.Thread(target=work, name=work.__name__.strip("_"), daemon=True).start()


def flush() -> None:
    """Write down what this process's pulls have left behind since the last time."""
    traffic = runtime.current().traffic
    confirmed = traffic.take_confirmed()
    if confirmed:
        catalog.confirm_tags(confirmed)
    used = traffic.take_used()
    if used:
        machine_tokens.record_use(used)
    report.flush()


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
    )


def background_place() -> Path:
    """Where the background's scrub keeps its place."""
    return runtime.current().config.storage.root / "scrub.json"


def command_place() -> Path:
    """The same for the operator's own passes, which the background's do not disturb."""
    return runtime.current().config.storage.root / "verify_store.json"


def _keep_flushing() -> None:
    while True:
        time.sleep(FLUSH_STEP)
        try:
            flush()
        except OSError as error:
            # The store's folders are gone: there is nothing to write down until they are back.
            log.error("What pulls have left behind is not written down: %s", error)


def _scrub() -> None:
    try:
        mirror = runtime.current()
        wanted = mirror.config.storage.scrub
        if wanted.interval:
            scrub.keep_verifying(
                scrub_job(wanted.rate, repair=True, on_finding=scrub.log_finding),
                background_place(),
                mirror.locks / "scrub.lock",
                wanted.interval.total_seconds(),
            )
    except OSError as error:
        log.error("The store is not scrubbed: %s", error)
