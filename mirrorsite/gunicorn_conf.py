"""How gunicorn serves the mirror: `gunicorn -c python:mirrorsite.gunicorn_conf mirrorsite.wsgi`.

Every lower-case name here that gunicorn knows is one of its settings. Sizes are in bytes, times
in seconds.
"""

from __future__ import annotations

import functools
import gc
import logging.config
import math
import os
import signal
import sys
from typing import TYPE_CHECKING

from cache import logbook, meters, metrics, request, runtime
from cache.config import ConfigError, capacity, listener
from cache.meters import families
from mirrorsite import logging as mirror_logging
from mirrorsite import metrics_listener, reloading, tls
from mirrorsite.gunicorn_log import Logger
from mirrorsite.settings import MIRROR
from mirrorsite.worker import HELD_BACK

if TYPE_CHECKING:
    import ssl

    from gunicorn.arbiter import Arbiter
    from gunicorn.config import Config

    from mirrorsite.worker import Worker

try:
    _CAPACITY = capacity.plan(os.environ, capacity.raise_open_files())
except ConfigError as error:
    sys.stderr.writelines(f"{problem}\n" for problem in error.problems)
    sys.exit(2)

# The parent logs from its first line on, before it has loaded Django, which sets this up again.
logging.config.dictConfig(mirror_logging.dictionary(MIRROR.log))

proc_name = "mirrorsite"
bind = str(listener.binding(MIRROR.http.addr))
backlog = 2048

workers = _CAPACITY.workers
threads = _CAPACITY.threads
worker_connections = _CAPACITY.connections
worker_class = "mirrorsite.worker.Worker"
# The parent loads the program, and begins nothing of it: no thread or connection of its own can be
# left half-used in a worker. A worker is there at once, and shares the program's memory.
preload_app = True

# A worker's main thread beats while its other threads send for hours; this is for a dead one.
timeout = 30
# The parent's patience with workers that stop. They are told a shorter one (`post_fork`), so that
# each comes to its own end before the parent kills it.
_DRAIN = math.ceil(MIRROR.http.draintimeout.total_seconds())
_PUT_AWAY = min(_DRAIN, 3)
graceful_timeout = _DRAIN + _PUT_AWAY + 3
# Longer than the minute after which many a proxy in front closes an idle connection itself.
keepalive = 75

# The C parser where it is installed, otherwise the one in Python.
http_parser = "auto"
limit_request_line = 8190
limit_request_fields = 100
limit_request_field_size = 16_384
# `sendfile` is on as long as it is not set: gunicorn takes any value, True as well, for a no.

# No header of a client says who it is or how it came; a proxy in front is named by the operator.
forwarded_allow_ips = ""
# One stop for all: signals. A socket in the home folder would be shared by several mirrors.
control_socket_disable = True

logger_class = Logger
errorlog = "-"
# The mirror writes it itself, see mirrorsite.request_log.
accesslog = None


if MIRROR.http.tls is not None:
    certfile = str(MIRROR.http.tls.certificate)
    keyfile = str(MIRROR.http.tls.key)
    cert_reqs = tls.client_certificates(MIRROR.http.tls)


def ssl_context(_config: Config, _default: object) -> ssl.SSLContext:
    """The TLS set-up of a new connection; gunicorn asks at each one."""
    if tls.CERTIFICATES is None:
        raise RuntimeError("no certificate is configured")
    return tls.CERTIFICATES.context


def on_starting(arbiter: Arbiter) -> None:
    """Open what all workers will share: the memory for what they count, and its own address."""
    # At SIGHUP gunicorn would replace the workers. Of that no hook keeps it; it looks for what
    # handles a signal when one has come.
    arbiter.handle_hup = functools.partial(reloading.in_parent, arbiter)
    # A worker that is replaced may be there for a while beside the one that follows.
    meters.share(3 * workers + 8)
    try:
        metrics_listener.open_socket(MIRROR.http.metrics)
    except listener.CannotListen as error:
        # `serve` has tried it a moment ago, and would have told. A mirror that serves unseen is
        # better than none.
        arbiter.log.error("metrics cannot be read: %s", error)


def when_ready(_arbiter: Arbiter) -> None:
    """Let signals to stop through, which `manage.py serve` holds back until they are handled.

    From here on the parent's records, such as those of workers that died, are kept too. What is
    loaded by now, it and its workers keep for good: to look through it for garbage would have each
    worker copy it.
    """
    gc.collect()
    gc.freeze()
    logbook.attach(logbook.folder_of(MIRROR.storage.root))
    _let_stops_through()


def pre_fork(arbiter: Arbiter, worker: Worker) -> None:
    """Hold such signals back over the fork: a worker that cannot handle them yet would lose them.

    The parent lets them through again right after it, the worker once it handles them.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, HELD_BACK)
    # A worker begins with the newest certificate that loads.
    tls.look()
    worker.region = meters.free_region({other.region for other in arbiter.WORKERS.values()})
    if worker.region is None:
        arbiter.log.error("a worker more than there is room for: what it does is not in metrics")


def post_fork(_arbiter: Arbiter, worker: Worker) -> None:
    """Give the worker its place to count, and its requests the time that the operator gives."""
    meters.belong_to(worker.region)
    worker.cfg.set("graceful_timeout", _DRAIN)


def child_exit(_arbiter: Arbiter, worker: Worker) -> None:
    """A worker has ended, in whatever way: what it has counted stays, what it had goes."""
    if worker.region is not None:
        meters.end(worker.region)


def post_worker_init(worker: Worker) -> None:
    """Begin what the mirror does by itself, also if nobody ever pulls: threads follow the fork."""
    # The models may be imported once Django is set up.
    from cache import upkeep  # noqa: PLC0415

    worker.request_log.keep = logbook.attach(logbook.folder_of(MIRROR.storage.root)).note
    request.listen(worker.request_log)
    request.listen(metrics.count_request)
    upkeep.start()
    metrics.watch(lambda: _load(worker))
    metrics_listener.start(MIRROR.http.metrics)


def _load(worker: Worker) -> dict[str, float]:
    return {
        families.CONNECTIONS: float(worker.nr_conns),
        families.IN_PROGRESS: float(worker.at_work),
        families.THREADS: float(threads),
    }


def _let_stops_through() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD_BACK)


os.register_at_fork(after_in_parent=_let_stops_through)


def _flush() -> None:
    from cache import upkeep  # noqa: PLC0415

    try:
        upkeep.flush()
    except OSError as error:
        logging.getLogger(__name__).error("What pulls have left behind is lost: %s", error)


def worker_exit(_arbiter: Arbiter, worker: Worker) -> None:
    """End a worker that has stopped serving, whatever its threads still do.

    Python would wait for each of them, and so for the slowest client. They have had
    `http.draintimeout` to end if that was asked for. A fill whose bytes are all there may still put
    them away; any other leaves a part file, which is continued later.
    """
    if worker.booted:
        if not worker.hurried:
            runtime.drain(_PUT_AWAY)
            _flush()
        worker.break_off()
        logging.shutdown()
        os._exit(0)
