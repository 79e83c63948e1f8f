"""`manage.py doctor`: look at everything that a mirror needs, and say what to do."""

from __future__ import annotations

import json
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.management.base import BaseCommand

from cache import doctor
from cache.doctor import Level
from cache.management.explained import explain

if TYPE_CHECKING:
    from django.core.management.base import CommandParser

WELL = 0
ERRORS = 1


class Command(BaseCommand):
    help = (
        "Check the configuration, the store, the database, each upstream, the clock, the limit of "
        "open files, the ports, and whether a client on this machine could pull. A line for each, "
        "with what to do."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        explain(
            parser,
            "doctor",
            "doctor --json | jq .check.level",
            codes={
                WELL: "no errors; there may be warnings",
                ERRORS: "errors",
                2: "the configuration cannot be used, or a wrong option",
            },
        )
        parser.add_argument(
            "--json", action="store_true", help="print a JSON object a line: checks, a summary"
        )

    def handle(self, *_args: object, **options: Any) -> None:
        counts: Counter[Level] = Counter()
        for line in doctor.examine(settings.MIRROR):
            counts[line.level] += 1
            text = json.dumps({"check": line.facts()}) if options["json"] else str(line)
            self.stdout.write(text)
            self.stdout.flush()
        if options["json"]:
            summary = {str(level): counts[level] for level in Level}
            self.stdout.write(json.dumps({"summary": summary}))
        else:
            errors, warnings = counts[Level.ERROR], counts[Level.WARNING]
            self.stdout.write(f"{counts[Level.OK]} ok, {warnings} warnings, {errors} errors")
        sys.exit(ERRORS if counts[Level.ERROR] else WELL)
