"""`manage.py verify_store`: read the whole store again, and say or mend what is wrong."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import Error as DatabaseError

from cache import runtime, scrub, upkeep
from cache.config import values
from cache.config.document import Scalar
from cache.management.explained import explain
from cache.management.progress import Progress
from cache.retention import readable

if TYPE_CHECKING:
    from django.core.management.base import CommandParser

    from cache.scrub import Finding, Place

CLEAN = 0
FOUND = 1
CANNOT = 2


class Command(BaseCommand):
    help = (
        "Read every blob of the store again, compare it with its digest and with the database, "
        "and name what is wrong. Stop it with Ctrl-C: the next call goes on from there. "
        "The mirror may run meanwhile."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        explain(
            parser,
            "verify_store",
            "verify_store --repair --rate 200MiB",
            "verify_store --json | jq .finding",
            codes={
                CLEAN: "nothing is wrong",
                FOUND: "something was, repaired or not",
                CANNOT: "the store could not be checked",
            },
        )
        parser.add_argument(
            "--repair",
            action="store_true",
            help="put what is wrong in quarantine, so that the next pull fetches it again, and "
            "put the records right",
        )
        parser.add_argument(
            "--rate",
            type=_rate,
            default="50MiB",
            help="how much to read in a second at most (50MiB)",
        )
        parser.add_argument("--restart", action="store_true", help="begin from the start again")
        parser.add_argument(
            "--json", action="store_true", help="print a JSON object a line: findings, a summary"
        )

    def handle(self, *_args: object, **options: Any) -> None:
        root = settings.MIRROR.storage.root
        if not (root / "blobs").is_dir():
            raise CommandError(f"there is no store in {root}", returncode=CANNOT)
        try:
            with scrub.alone(runtime.current().locks / "verify_store.lock", wait=False) as is_free:
                if not is_free:
                    raise CommandError("another verify_store is at work", returncode=CANNOT)
                place = self._verify(options)
        except OSError as error:
            raise CommandError(f"the store cannot be read: {error}", returncode=CANNOT) from None
        except DatabaseError as error:
            reason = " ".join(str(error).split())
            raise CommandError(f"the database failed: {reason}", returncode=CANNOT) from None
        self._sum_up(place, as_json=options["json"])
        sys.exit(FOUND if place.total_findings else CLEAN)

    def _verify(self, options: dict[str, Any]) -> Place:
        before = scrub.resumable(
            upkeep.command_place(), repair=options["repair"], restart=options["restart"]
        )
        progress = Progress(sys.stderr, _size_of_store(), before.size if before else 0)
        if before and before.blobs:
            self.stderr.write(
                f"goes on after {before.blobs} blobs ({readable(before.size)}), in which "
                f"{before.total_findings} things were found wrong"
            )
            progress.findings = before.total_findings

        def tell(finding: Finding) -> None:
            progress.findings += 1
            progress.interrupt()
            self._tell(finding, as_json=options["json"])

        job = upkeep.scrub_job(
            options["rate"],
            repair=options["repair"],
            on_finding=tell,
            on_progress=progress.advance,
        )
        try:
            return scrub.verify(job, upkeep.command_place(), restart=options["restart"])
        except KeyboardInterrupt:
            progress.interrupt()
            self.stderr.write("stopped: the same command goes on from here")
            raise
        finally:
            progress.interrupt()

    def _tell(self, finding: Finding, *, as_json: bool) -> None:
        self.stdout.write(json.dumps({"finding": finding.facts()}) if as_json else str(finding))
        self.stdout.flush()

    def _sum_up(self, place: Place, *, as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps({"summary": place.facts()}))
            return
        counts = ", ".join(f"{count} {kind}" for kind, count in place.findings.items())
        self.stdout.write(
            f"checked {place.blobs} blobs ({readable(place.size)}): {counts or 'nothing is wrong'}"
        )


def _rate(text: str) -> int:
    try:
        return values.rate(Scalar(text))
    except values.Refused as refused:
        raise argparse.ArgumentTypeError(f"found {text!r}; allowed {refused.allowed}") from None


def _size_of_store() -> int:
    return sum(size for _, size in runtime.current().store.blobs())
