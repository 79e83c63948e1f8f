"""The two databases of a move: opened so that nothing else can be meant, and looked at first."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dj_database_url
from django.db import DEFAULT_DB_ALIAS, connections
from django.db import Error as DatabaseError

from cache import schema

#: What Django calls the two of them meanwhile. What names no database means the new one: a
#: migration that forgets which it is run for must not write into the old one.
SOURCE = "records-from"
TARGET = DEFAULT_DB_ALIAS

#: Seconds until a mirror that is just stopping has let go of the file.
_PATIENCE = 5

_SHOWN = 3

#: Everything that somebody has put into the schema in which tables would be made, but what an
#: extension has brought along.
_STRANGERS = """
SELECT relname FROM pg_class
WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'f')
AND NOT EXISTS (SELECT 1 FROM pg_depend WHERE classid = 'pg_class'::regclass
                AND objid = pg_class.oid AND deptype = 'e')
ORDER BY relname
"""


class Refused(Exception):
    """The move cannot be done; the message says why, and what to do, and shows no password."""


@dataclass(frozen=True, slots=True)
class Source:
    """The SQLite file of a mirror that does not run."""

    file: Path

    def __str__(self) -> str:
        return str(self.file)

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Have it to oneself: a mirror that starts meanwhile finds it locked.

        Raises :class:`Refused` if it is in use, or none, or not of this program.
        """
        if not self.file.is_file():
            raise Refused(f"there is no database {self.file}; --from names another")
        settings = {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": f"file:{self.file.absolute().as_posix().replace('?', '%3f')}?mode=rw",
            # In this mode the first question locks the file (https://sqlite.org/pragma.html), which
            # fails while another process has it open, as a mirror has.
            "OPTIONS": {
                "uri": True,
                "timeout": _PATIENCE,
                "init_command": "PRAGMA locking_mode=EXCLUSIVE",
            },
        }
        with _known_as(SOURCE, settings), _told(self):
            self._take()
            yield

    def _take(self) -> None:
        connection = connections[SOURCE]
        try:
            with connection.cursor() as cursor:
                cursor.execute("BEGIN EXCLUSIVE")
                cursor.execute("COMMIT")
        except DatabaseError as error:
            if "locked" in str(error):
                raise Refused(
                    f"{self.file} is in use: stop the mirror, and what else has it open, first"
                ) from None
            raise
        found = schema.read(connection)
        if found.newer:
            raise Refused(f"{self.file} is of a newer program ({', '.join(found.newer)})")
        if found.is_behind:
            raise Refused(
                f"{self.file} is of an older program: start this one with it once, and stop it, so "
                "that its tables are brought up to date"
            )

    def counters(self) -> dict[str, int]:
        """The last number that each table's rows had, also if that row has gone since."""
        with connections[SOURCE].cursor() as cursor:
            cursor.execute("SELECT name, seq FROM sqlite_sequence")
            return dict(cursor.fetchall())


@dataclass(frozen=True, slots=True)
class Target:
    """An empty database of PostgreSQL, by its address."""

    url: str

    def _parsed(self) -> dict[str, Any]:
        return {**dj_database_url.parse(self.url)}

    def __str__(self) -> str:
        parsed = self._parsed()
        return f"PostgreSQL {parsed['NAME']} on {parsed['HOST'] or 'this machine'}"

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Raises :class:`Refused` if it cannot be reached, or tables cannot be made there."""
        parsed = self._parsed()
        parsed["OPTIONS"] = {"connect_timeout": _PATIENCE, **parsed.get("OPTIONS", {})}
        with _known_as(TARGET, parsed), _told(self):
            self._check()
            yield

    def _check(self) -> None:
        user, place, may, encoding = self._ask(
            "SELECT current_user, current_schema(), "
            "coalesce(has_schema_privilege(current_schema(), 'CREATE'), false), "
            "current_setting('server_encoding')"
        )[0]
        if not may:
            raise Refused(
                f"the user {user} may not make tables in {self}: "
                f"ALTER DATABASE … OWNER TO {user}, or GRANT CREATE ON SCHEMA {place or 'public'} "
                f"TO {user}"
            )
        if encoding != "UTF8":
            raise Refused(f"{self} is in {encoding}: make one with ENCODING 'UTF8'")

    def check_empty(self) -> None:
        """Raises :class:`Refused` if there is anything: a move adds to nothing."""
        found = [name for (name,) in self._ask(_STRANGERS)]
        if found:
            more = ", …" if len(found) > _SHOWN else ""
            raise Refused(
                f"{self} is not empty: it has {len(found)} tables or views "
                f"({', '.join(found[:_SHOWN])}{more}). Name an empty one; if a mirror was started "
                "with this one by mistake, drop it and make it again"
            )

    def _ask(self, query: str) -> list[tuple[Any, ...]]:
        with connections[TARGET].cursor() as cursor:
            cursor.execute(query)
            return list(cursor.fetchall())


@contextmanager
def _known_as(alias: str, settings: dict[str, Any]) -> Iterator[None]:
    """Have Django know a database by this name, for as long as the block takes."""
    before = connections.settings
    _forget(alias)
    connections.settings = connections.configure_settings({**before, alias: settings})
    try:
        yield
    finally:
        _forget(alias)
        connections.settings = before


def _forget(alias: str) -> None:
    """Close its connection; the next one is made by the settings of then."""
    if alias in connections.settings:
        connections[alias].close()
        del connections[alias]


@contextmanager
def _told(place: Source | Target) -> Iterator[None]:
    """The database's own words, of whatever goes wrong in the block, with its name."""
    try:
        yield
    except DatabaseError as error:
        raise Refused(f"{place}: {' '.join(str(error).split())}") from error
