"""Which database the mirror of a root uses: left there, so that nothing acts on another by mistake.

A command is given its database by its own environment, which may lack what the mirror's has.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import dj_database_url

from cache.config import Config
from cache.private_file import drafted

FILE_NAME = "database.json"

_PORT = 5432


class NotTheMirrors(Exception):
    """Another database, or nobody knows; ``advice`` is what to do about what was ``found``."""

    def __init__(self, found: str, advice: str) -> None:
        super().__init__(f"{found}: {advice}")
        self.found = found
        self.advice = advice


@dataclass(frozen=True, slots=True)
class Database:
    """A mirror's database, without its user and password.

    SQLite's is in the root, wherever that is mounted, and has no more to its name.
    """

    engine: str = "SQLite"
    host: str = ""
    port: int = 0
    name: str = ""

    @property
    def is_sqlite(self) -> bool:
        return self.engine == "SQLite"

    def __str__(self) -> str:
        if self.is_sqlite:
            return "SQLite (no DATABASE_URL)"
        port = "" if self.port == _PORT else f", port {self.port}"
        return f"{self.engine} {self.name} on {self.host or 'this machine'}{port}"


def file_of(root: Path) -> Path:
    """SQLite's file of a mirror without ``DATABASE_URL``."""
    return root / "mirror.sqlite3"


def by_address(url: str | None) -> Database:
    """The one that a ``DATABASE_URL`` names; SQLite's if there is none."""
    if url is None:
        return Database()
    parsed = dj_database_url.parse(url)
    # libpq takes a socket's folder as a parameter only.
    options = parsed.get("OPTIONS", {})
    host, port = options.get("host", parsed["HOST"]), options.get("port", parsed["PORT"])
    return Database("PostgreSQL", str(host), int(port or _PORT), str(parsed["NAME"]))


def of(config: Config) -> Database:
    """The one that this program was given."""
    return by_address(config.database_url)


def left_in(root: Path) -> Database | None:
    """The one that the mirror uses; None if it was never started, or by an older program.

    Raises :class:`NotTheMirrors` if what was left cannot be read.
    """
    file = root / FILE_NAME
    try:
        return Database(**json.loads(file.read_text("utf-8")))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        found = f"{file} cannot be read ({error.strerror})"
        raise NotTheMirrors(found, "run this as the mirror's user") from None
    except (ValueError, TypeError):
        found = f"{file} does not say which database the mirror uses"
        raise NotTheMirrors(found, "start the mirror, which writes it anew") from None


def leave(root: Path, database: Database) -> None:
    """Say so from now on, whole or not at all; nothing is written that is there already.

    Raises ``OSError``.
    """
    with suppress(NotTheMirrors):
        if left_in(root) == database:
            return
    with drafted(root / FILE_NAME, json.dumps(asdict(database))) as draft:
        draft.replace(root / FILE_NAME)


def check(config: Config) -> None:
    """Raise :class:`NotTheMirrors` if this program was given another one than the mirror uses."""
    given, used = of(config), left_in(config.storage.root)
    if used is None or used == given:
        return
    setting = "unset DATABASE_URL" if used.is_sqlite else "set DATABASE_URL to it"
    raise NotTheMirrors(
        f"the mirror in {config.storage.root} uses {used}, and this was given {given}",
        f"{setting}, as in the mirror's own environment, or start the mirror with the other one",
    )
