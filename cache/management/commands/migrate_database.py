"""`manage.py migrate_database`: move the records of a mirror from SQLite to PostgreSQL."""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from cache import moving, runtime, which_database
from cache.config import values
from cache.config.document import Scalar
from cache.management.commands.serve import leave_word
from cache.management.explained import explain
from cache.management.progress import Progress

if TYPE_CHECKING:
    from django.core.management.base import CommandParser

CANNOT = 2


class Command(BaseCommand):
    help = (
        "Move all that a mirror has in its SQLite database (also users, grants, tokens, pins and "
        "the history) to an empty one of PostgreSQL. The mirror must be stopped. Everything is "
        "moved and compared, or nothing is; the SQLite file stays as it is."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        explain(
            parser,
            "migrate_database postgresql://mirror@db.example/mirror --dry-run",
            "migrate_database  # the address is in DATABASE_URL",
            codes={0: "done", CANNOT: "it could not be done"},
        )
        parser.add_argument(
            "url",
            nargs="?",
            type=_url,
            metavar="postgresql://…",
            help="the empty database; if not here, it is the one of DATABASE_URL, where other "
            "users of this machine do not see its password",
        )
        parser.add_argument(
            "--from",
            dest="source",
            type=Path,
            metavar="FILE",
            help="the SQLite file, if not the one that the mirror has",
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="look at both, say what there is; move nothing"
        )
        parser.add_argument(
            "--json", action="store_true", help="print a JSON object a line: tables, a summary"
        )

    def handle(self, *_args: object, **options: Any) -> None:
        url = options["url"] or settings.MIRROR.database_url
        if url is None:
            raise CommandError(
                "found no address; allowed is postgresql://USER:PASSWORD@HOST/DATABASE as the "
                "argument or in DATABASE_URL",
                returncode=CANNOT,
            )
        root = settings.MIRROR.storage.root
        source = moving.Source(options["source"] or which_database.file_of(root))
        target = moving.Target(url)
        try:
            if options["source"] is None:
                _check_stopped(root)
            with source.opened(), target.opened():
                moved = self._move(source, target, options)
            if options["source"] is None and not options["dry_run"]:
                leave_word(which_database.by_address(url))
        except moving.Refused as refused:
            raise CommandError(str(refused), returncode=CANNOT) from None
        except OSError as error:
            raise CommandError(f"the store failed: {error}", returncode=CANNOT) from None
        self._sum_up(moved, source, target, options)

    def _move(
        self, source: moving.Source, target: moving.Target, options: dict[str, Any]
    ) -> moving.Moved:
        job = moving.Job(source, target)
        found = moving.survey(job)
        if options["dry_run"]:
            return found
        progress = Progress(sys.stderr, found.steps, counted="", amount=_rows)
        with ExitStack() as stack:
            stack.callback(progress.interrupt)
            return moving.move(moving.Job(source, target, progress.advance))

    def _sum_up(
        self,
        moved: moving.Moved,
        source: moving.Source,
        target: moving.Target,
        options: dict[str, Any],
    ) -> None:
        is_dry = options["dry_run"]
        if options["json"]:
            for name, rows in moved.tables.items():
                self.stdout.write(json.dumps({"table": {"name": name, "rows": rows}}))
            facts = {"rows": moved.rows, "tables": len(moved.tables), "is_dry": is_dry}
            self.stdout.write(json.dumps({"summary": facts}))
            return
        verb = "would move" if is_dry else "moved"
        self.stdout.write(
            f"{verb} {_rows(moved.rows)} of {len(moved.tables)} tables from {source} to {target}"
        )
        if not is_dry:
            self.stdout.write("each table was compared: it is the same on both sides")
            self.stdout.write(
                "next: set DATABASE_URL to that address, change nothing else, and start the mirror"
            )
            self.stdout.write(f"{source} is as it was: remove it once you are content")


def _check_stopped(root: Path) -> None:
    """What a running mirror writes meanwhile would be lost."""
    if runtime.is_running(settings.MIRROR):
        raise moving.Refused(f"the mirror in {root} runs: stop it first")


def _url(text: str) -> str:
    try:
        return values.postgres_url(Scalar(text))
    except values.Refused as refused:
        # The address may hold a password, and is not said again.
        raise argparse.ArgumentTypeError(f"allowed {refused.allowed}") from None


def _rows(count: float) -> str:
    return f"{count:,.0f} rows"
