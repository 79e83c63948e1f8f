"""`manage.py serve`: make everything ready, say where the mirror is, and become gunicorn."""

from __future__ import annotations

import errno
import json
import logging
import os
import runpy
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connection

from cache import runtime, schema, which_database
from cache.access.first_user import BadFirstUser, FirstUser, make_first_user
from cache.config import ConfigError, capacity, listener
from cache.management import streams
from cache.management.explained import explain

if TYPE_CHECKING:
    from django.core.management.base import CommandParser

    from cache.config import Address, Config

log = logging.getLogger(__name__)

GUNICORN = ("gunicorn", "-c", "python:mirrorsite.gunicorn_conf", "mirrorsite.wsgi:application")
MISTAKE = 2

#: The workers of a mirror whose parent was killed notice it within a second.
PORT_PATIENCE = 2.0
PORT_STEP = 0.1


class Command(BaseCommand):
    help = "Run the mirror until it is stopped with Ctrl-C or SIGTERM."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        explain(
            parser,
            "serve",
            "serve  # with MIRROR_CONFIG=/etc/mirrorsite/config.yml in its environment",
            codes={
                0: "stopped with SIGTERM or Ctrl-C",
                1: "something prevents the start: the port, the store, the database",
                MISTAKE: "the configuration cannot be used",
            },
        )

    def handle(self, *_args: object, **_options: object) -> None:
        config: Config = settings.MIRROR
        for warning in config.warnings:
            log.warning("%s", warning)
        prepare_capacity()
        prepare_root(config.storage.root)
        prepare_store(config)
        prepare_port(listener.binding(config.http.addr))
        if config.http.metrics.addr is not None:
            prepare_port(listener.binding(config.http.metrics.addr), "http.debug.addr")
        prepare_database()
        first_user = prepare_first_user(config.storage.root)
        sweep(config)
        call_command("collectstatic", interactive=False, verbosity=0)
        self.stdout.write(banner(config))
        if first_user is not None:
            self.stdout.write(welcome(first_user))
        self.stdout.flush()
        self.stderr.flush()
        become_gunicorn()


def sweep(config: Config) -> None:
    """Clear away what a killed mirror left. What stays is in nobody's way."""
    try:
        runtime.sweep(config)
    except OSError as error:
        log.warning("Leftovers of an earlier run stay: %s", error)


@contextmanager
def as_a_step(code: int) -> Iterator[None]:
    """Around what is prepared for another command: what prevents it ends that with its own code.

    For `serve` itself it is 1, as it may be over at the next try.
    """
    try:
        yield
    except CommandError as error:
        raise CommandError(str(error), returncode=code) from None


def prepare_capacity() -> None:
    try:
        capacity.plan(os.environ, capacity.raise_open_files())
    except ConfigError as error:
        raise CommandError("\n".join(error.problems), returncode=MISTAKE) from None


def prepare_root(root: Path) -> None:
    """Make the folder that holds everything; nobody else on this machine may look into it."""
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
    except FileExistsError:
        raise CommandError(
            f"{root} is not a folder; set storage.filesystem.rootdirectory"
        ) from None
    except OSError as error:
        raise CommandError(
            f"the folder {root} cannot be made ({error.strerror}); set "
            "storage.filesystem.rootdirectory to one that can"
        ) from None
    try:
        # Permissions alone do not tell: the file system may be read-only.
        with tempfile.TemporaryFile(dir=root):
            pass
    except OSError as error:
        # A full disk is no reason to stay away: what is kept there can still be served.
        if error.errno != errno.ENOSPC:
            raise CommandError(
                f"the folder {root} cannot be written to ({error.strerror}); change its owner, or "
                "set storage.filesystem.rootdirectory to another"
            ) from None


def prepare_store(config: Config) -> None:
    """Make the store's own folders: without them no request could be answered."""
    try:
        runtime.make_folders(config)
    except OSError as error:
        raise CommandError(
            f"the store in {config.storage.root} cannot be used: {error.filename} cannot be made a "
            f"folder ({error.strerror})"
        ) from None


def prepare_port(address: Address, key: str = "http.addr") -> None:
    """Make sure that it can be listened there. A mirror that was just killed leaves soon."""
    deadline = time.monotonic() + PORT_PATIENCE
    while True:
        try:
            listener.check(address, key)
        except listener.CannotListen as error:
            if time.monotonic() >= deadline:
                raise CommandError(str(error)) from None
            time.sleep(PORT_STEP)
        else:
            return


def prepare_database() -> None:
    """Bring the database to this program's shape; refuse one that a newer program has made."""
    try:
        with without_pool():
            _keep_from_others(connection.settings_dict)
            found = schema.read()
            if found.newer:
                raise CommandError(
                    f"the database is newer than this program (it has {', '.join(found.newer)}); "
                    "run the newer program, or go back to a copy of the database"
                )
            if found.is_behind:
                call_command("migrate", interactive=False, verbosity=0)
            _take_over(settings.MIRROR)
    except DatabaseError as error:
        reason = " ".join(str(error).split())
        raise CommandError(f"the database {database_name()} cannot be used: {reason}") from None


@contextmanager
def without_pool() -> Iterator[None]:
    """Use one connection, which is closed in the end.

    It is known at once why there is none, where the pool tries again and again; and no thread of a
    pool is there when workers are forked.
    """
    options = connection.settings_dict["OPTIONS"]
    connection.settings_dict["OPTIONS"] = {k: v for k, v in options.items() if k != "pool"}
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict["OPTIONS"] = options


def _take_over(config: Config) -> None:
    """Have this be the mirror's database: who starts the mirror decides, perhaps by mistake."""
    try:
        which_database.check(config)
    except which_database.NotTheMirrors as error:
        log.warning("%s: from now on the mirror uses this one", error.found)
    leave_word(which_database.of(config))


def leave_word(database: which_database.Database) -> None:
    """Have the mirror's commands refuse from now on to act on another database."""
    root = settings.MIRROR.storage.root
    try:
        which_database.leave(root, database)
    except OSError as error:
        # A full disk is no reason to stay away.
        log.warning(
            "%s cannot be written (%s): commands may take another database for the mirror's",
            root / which_database.FILE_NAME,
            error.strerror,
        )


def _keep_from_others(database: dict[str, Any]) -> None:
    """SQLite makes its file with the umask, and the files beside it as that one is.

    The group may pass through the root to blobs that are handed over, and shall read no more.
    """
    if "sqlite3" not in database["ENGINE"]:
        return
    file = Path(database["NAME"])
    # What cannot be made or changed, SQLite says in better words.
    with suppress(OSError):
        file.touch(mode=0o600)
        for path in (file, *(file.with_name(file.name + end) for end in ("-wal", "-shm"))):
            if path.exists():
                path.chmod(0o600)


def prepare_first_user(root: Path) -> FirstUser | None:
    """Somebody must be able to sign in: the user that was made for it, if there was none."""
    try:
        with without_pool():
            return make_first_user(root, os.environ)
    except BadFirstUser as error:
        raise CommandError(str(error), returncode=MISTAKE) from None
    except DatabaseError as error:
        reason = " ".join(str(error).split())
        raise CommandError(f"the first user cannot be made: {reason}") from None


def database_name() -> str:
    """Which database it is, without its password."""
    held = settings.DATABASES["default"]
    if "sqlite3" in held["ENGINE"]:
        return str(held["NAME"])
    return f"PostgreSQL {held['NAME']} on {held['HOST'] or 'this machine'}"


def banner(config: Config) -> str:
    url = listener.url(config.http)
    mirrors = json.dumps({"registry-mirrors": [url]})
    first, *others = (f"{upstream.name} ({upstream.remoteurl})" for upstream in config.upstreams)
    return "\n".join(
        (
            f"Mirrorsite listens on {listener.binding(config.http.addr)}: {url}",
            f"  upstream  {first}",
            *(f"            {other}" for other in others),
            f"  store     {config.storage.root}",
            f"  database  {database_name()}",
            f"  dashboard {url}/dashboard/",
            f"  /etc/docker/daemon.json: {mirrors}",
        )
    )


def welcome(user: FirstUser) -> str:
    """How to sign in for the first time. It is said once: later nobody knows the password."""
    if user.password is None:
        return f"  sign in   as {user.name}, with the password from the environment"
    kept = f" (kept in {user.file} until you remove it)" if user.file is not None else ""
    return f"  sign in   as {user.name} with the password {user.password}{kept}"


def become_gunicorn() -> NoReturn:
    """Run gunicorn to its end, in this process: signals, exit code and process id are its own.

    What is loaded here already need not be loaded again. A signal to stop that comes before
    gunicorn handles it waits (`when_ready` lets it through).
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    streams.release()
    sys.argv = [*GUNICORN]
    runpy.run_module("gunicorn", run_name="__main__", alter_sys=True)
    raise SystemExit(0)
