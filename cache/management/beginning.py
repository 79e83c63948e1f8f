"""Where commands begin: one that would act on another database than the mirror's does not."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management import ManagementUtility
from django.core.management.base import BaseCommand, CommandError

from cache import which_database

CANNOT = 2

#: They open no database, or find their own words for one that is another.
FREE = frozenset(
    {
        "check",
        "client_config",
        "collectstatic",
        "diffsettings",
        "doctor",
        "findstatic",
        "makemigrations",
        "migrate_database",
        "rotate_keys",
        "serve",
    }
)
#: They make a database where there is none; where no mirror runs, `status` asks for nothing more.
MAY_LACK = frozenset({"import_registry", "migrate", "status", "warm"})


class Commands(ManagementUtility):
    """Django's and ours, each of which looks at its database before it does anything."""

    def fetch_command(self, subcommand: str) -> BaseCommand:
        command = super().fetch_command(subcommand)
        if subcommand in FREE:
            return command
        execute = command.execute

        def look_and_execute(*args: Any, **options: Any) -> str | None:
            check_database(may_lack=subcommand in MAY_LACK)
            return execute(*args, **options)

        # Only here is it known that neither help nor a wrong option is all that was wanted.
        command.execute = look_and_execute  # type: ignore[method-assign]
        return command


def check_database(*, may_lack: bool = False) -> None:
    """Raise ``CommandError`` if the database is not that of the mirror.

    SQLite would make an empty file where there is none: that, too, is refused, unless there may be
    a lack of one.
    """
    config = settings.MIRROR
    root = config.storage.root
    try:
        which_database.check(config)
    except which_database.NotTheMirrors as error:
        raise CommandError(str(error), returncode=CANNOT) from None
    file = which_database.file_of(root)
    if config.database_url is None and root.is_dir() and not (may_lack or file.exists()):
        raise CommandError(
            f"there is no database {file}: start the mirror first, or set DATABASE_URL as the "
            "mirror has it",
            returncode=CANNOT,
        )
