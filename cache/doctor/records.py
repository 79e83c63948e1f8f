"""The database: that it answers, how soon, and that its tables are this program's."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Generator, Iterator
from pathlib import Path

from django.db import Error as DatabaseError
from django.db import connection

from cache import database, schema, which_database
from cache.config import Config
from cache.doctor.line import Line, error, ok, warning
from cache.doctor.storage import NETWORKED, kind_of

TOPIC = "database"

#: A warm pull waits for one answer: one of so many seconds is slow.
SLOW = 0.02
QUESTIONS = 21


def look(config: Config) -> Generator[Line, None, bool]:
    """Look at the database; nothing is changed in it. No line names its user.

    Returns whether it can be asked: it is the mirror's, answers, and has this program's tables.
    """
    try:
        which_database.check(config)
        if connection.vendor == "sqlite":
            file = Path(str(connection.settings_dict["NAME"]))
            problem = _not_ours(file)
            if problem is not None:
                yield problem
                return False
            yield from _place(file)
        yield _answers()
        found = schema.read()
        yield _tables(found)
        return found.is_ours
    except which_database.NotTheMirrors as problem:
        yield error(TOPIC, problem.found, problem.advice)
    except DatabaseError as failure:
        # The driver's own words name users and addresses, and are for the log of `serve`.
        yield error(
            TOPIC,
            f"it cannot be used ({type(failure).__name__})",
            "manage.py serve says why; see DATABASE_URL, or storage.filesystem.rootdirectory",
        )
    finally:
        connection.close()
    return False


def _not_ours(file: Path) -> Line | None:
    """Why the file is not opened, which would make it or leave another user's files beside it."""
    try:
        owner = file.stat().st_uid
    except FileNotFoundError:
        return ok(TOPIC, f"{file} is not there yet: the first start makes it")
    except OSError as failure:
        reason = failure.strerror or "it cannot be looked at"
        return error(TOPIC, f"{file}: {reason}", "run this as the mirror's user")
    if owner != os.geteuid():
        return error(TOPIC, f"{file} is another user's", "run this as the mirror's user")
    return None


def _place(file: Path) -> Iterator[Line]:
    kind = kind_of(file.parent)
    if kind in NETWORKED:
        found = f"SQLite's file is on {kind}, where it may be damaged"
        yield error(TOPIC, found, "put the folder on a local disk, or set DATABASE_URL")


def _answers() -> Line:
    took = []
    for _ in range(QUESTIONS):
        began = time.monotonic()
        database.check_answers()
        took.append(time.monotonic() - began)
    typical = statistics.median(took)
    found = f"{connection.vendor} answers in {typical * 1000:.1f} ms"
    if typical > SLOW:
        return warning(TOPIC, found, "each pull waits for one answer: bring them closer together")
    return ok(TOPIC, found)


def _tables(found: schema.Schema) -> Line:
    if found.newer:
        advice = "run the newer program, or go back to a copy of the database"
        return error(TOPIC, f"a newer program has made {', '.join(found.newer)}", advice)
    if found.is_empty:
        return ok(TOPIC, "it has no tables yet: the next start makes them")
    if found.is_behind:
        return ok(TOPIC, "its tables are an older program's: the next start brings them up to date")
    return ok(TOPIC, "its tables are this program's")
