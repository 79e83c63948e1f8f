"""The move itself: one transaction of PostgreSQL makes the tables, fills them and compares them.

It ends with everything or with nothing, wherever it is interrupted: PostgreSQL makes tables in
transactions too, and takes back what a connection leaves that breaks off. The source is read only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.core.management import call_command
from django.db import Error as DatabaseError
from django.db import connections, transaction

from cache.moving.places import SOURCE, TARGET, Refused, Source, Target
from cache.moving.tables import Content, Table, tables

#: Names a move among PostgreSQL's advisory locks.
_LOCK = 0x6D6F7665

_PATIENCE = "10s"


@dataclass(frozen=True, slots=True)
class Job:
    """What to move where; ``on_progress`` is called with the rows that have passed, of `steps`."""

    source: Source
    target: Target
    on_progress: Callable[[int], None] = lambda _rows: None


@dataclass(frozen=True, slots=True)
class Moved:
    """How many rows each table has."""

    tables: dict[str, int]

    @property
    def rows(self) -> int:
        return sum(self.tables.values())

    @property
    def steps(self) -> int:
        """Rows to pass: each is copied, and then compared."""
        return 2 * self.rows


def survey(job: Job) -> Moved:
    """What there is to move. Both databases are open; nothing is changed in either."""
    job.target.check_empty()
    return Moved({table.name: table.count(SOURCE) for table in tables()})


def move(job: Job) -> Moved:
    """Do it. Both databases are open. Raises :class:`Refused`; nothing is there then."""
    with transaction.atomic(using=TARGET):
        _have_time()
        job.target.check_empty()
        call_command("migrate", database=TARGET, interactive=False, verbosity=0)
        _empty()
        passed = _Passed(job.on_progress)
        contents = {table.name: _copy(table, job.source, passed) for table in tables()}
        for table in tables():
            _compare(table, contents[table.name], passed)
        _number(job.source.counters())
    with connections[TARGET].cursor() as cursor:
        cursor.execute("ANALYZE")
    return Moved({name: content.rows for name, content in contents.items()})


class _Passed:
    def __init__(self, tell: Callable[[int], None]) -> None:
        self._tell = tell
        self._rows = 0

    def one_more(self) -> None:
        self._rows += 1
        self._tell(self._rows)


def _have_time() -> None:
    """No limit of the server's is for this; and of two moves, one waits and then finds tables."""
    with connections[TARGET].cursor() as cursor:
        cursor.execute(f"SET LOCAL lock_timeout = '{_PATIENCE}'")
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        for limit in ("statement_timeout", "idle_in_transaction_session_timeout"):
            cursor.execute(f"SET LOCAL {limit} = 0")
        # Tables that have unchecked rows cannot be changed by the next migration.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


def _empty() -> None:
    """Take out what the migrations have put in: the source has it under its own numbers."""
    quote = connections[TARGET].ops.quote_name
    with connections[TARGET].cursor() as cursor:
        cursor.execute(f"TRUNCATE {', '.join(quote(table.name) for table in tables())}")


def _read(table: Table, source: Source) -> Iterator[tuple[Any, ...]]:
    """Its rows in the source."""
    try:
        yield from table.rows(SOURCE)
    except (DatabaseError, ValueError) as error:
        raise Refused(
            f"{source}: {table.name} cannot be read: {' '.join(str(error).split())}. "
            "Nothing was moved"
        ) from error


def _copy(table: Table, source: Source, passed: _Passed) -> Content:
    """Copy all rows; what they were."""
    content = Content()
    connection = connections[TARGET]
    quote = connection.ops.quote_name
    columns = ", ".join(quote(each) for each in table.columns)
    statement = f"COPY {quote(table.name)} ({columns}) FROM STDIN"
    prepare = _preparing(table)
    try:
        with (
            connection.wrap_database_errors,
            connection.cursor() as cursor,
            cursor.copy(statement) as copy,
        ):
            for row in _read(table, source):
                content.add(row)
                copy.write_row(prepare(row))
                passed.one_more()
    except (DatabaseError, ValueError) as error:
        raise Refused(
            f"PostgreSQL does not take the rows of {table.name}: {' '.join(str(error).split())}. "
            "Nothing was moved"
        ) from error
    return content


def _preparing(table: Table) -> Callable[[tuple[Any, ...]], list[Any]]:
    """How a row's values are handed to PostgreSQL."""
    connection = connections[TARGET]
    return lambda row: [
        field.get_db_prep_save(value, connection)
        for field, value in zip(table.fields, row, strict=True)
    ]


def _compare(table: Table, expected: Content, passed: _Passed) -> None:
    found = Content()
    for row in table.rows(TARGET):
        found.add(row)
        passed.one_more()
    if found.rows != expected.rows or found.total != expected.total:
        raise Refused(
            f"{table.name} does not come out as it went in ({found.rows} rows of "
            f"{expected.rows}). Nothing was moved"
        )


def _number(last: dict[str, int]) -> None:
    """Go on numbering where the source was: a number of a row that has gone is not given again.

    Tokens name their user by it.
    """
    with connections[TARGET].cursor() as cursor:
        for table in tables():
            # A table that never had a row begins with the number 1 as any new one.
            if table.counter is not None and last.get(table.name):
                cursor.execute(
                    "SELECT setval(pg_get_serial_sequence(%s, %s), %s)",
                    [f'"{table.name}"', table.counter, last[table.name]],
                )
