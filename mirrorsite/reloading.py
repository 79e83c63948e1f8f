"""SIGHUP: the configuration is read again, and comes into force where the processes stand.

No process is replaced, so no connection, transfer or fill ends for it (docs/decisions/0051). The
parent looks at the configuration first: one with a mistake is not passed on.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
from typing import TYPE_CHECKING

from cache import runtime
from cache.config import ConfigError, differences, load, renewed
from mirrorsite import logging as mirror_logging
from mirrorsite import settings as project
from mirrorsite import tls

if TYPE_CHECKING:
    from gunicorn.arbiter import Arbiter

    from cache.config import Config
    from mirrorsite.request_log import RequestLog

log = logging.getLogger(__name__)

_lock = threading.Lock()


def in_parent(arbiter: Arbiter) -> None:
    """Read the configuration again, for workers to come, and have those there do so, too."""
    old = project.MIRROR
    new = _read()
    if new is None:
        return
    config, fixed = renewed(old, new)
    runtime.renew(config)
    _adopt(config)
    tls.reload()
    changed = differences(old, config)
    log.info("The configuration was read again; changed: %s", ", ".join(changed) or "nothing")
    for key in fixed:
        log.warning("%s is another one now, which takes a restart: the old one stays", key)
    for warning in config.warnings:
        if warning not in old.warnings:
            log.warning("%s", warning)
    # A certificate or a helper's password may be another one behind the same configuration.
    arbiter.kill_workers(signal.SIGHUP)


def in_worker(request_log: RequestLog) -> None:
    """The same for a worker, which the parent has told to."""
    with _lock:
        new = _read()
        if new is None:
            return
        config, _ = renewed(project.MIRROR, new)
        try:
            runtime.renew(config)
        except Exception:
            log.exception("The new configuration did not come into force in a worker")
            return
        _adopt(config)
        tls.reload()
        request_log.settings = config.log


def _read() -> Config | None:
    """The configuration as it stands in the file now; None, and an error told, if it is not one."""
    try:
        return load(None, os.environ)
    except ConfigError as error:
        problems = "; ".join(error.problems)
    except Exception as error:  # noqa: BLE001 - the process has to live
        problems = f"{type(error).__name__}: {error}"
    log.error("The configuration was not read again, the old one stays in force: %s", problems)
    return None


def _adopt(config: Config) -> None:
    """For this process, and for those that are forked from it."""
    project.MIRROR = config
    project.LOGGING = mirror_logging.dictionary(config.log)
    mirror_logging.apply(config.log)
