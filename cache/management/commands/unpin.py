"""`manage.py unpin`: have something be evicted again when its time comes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError

from cache import retention
from cache.management.explained import explain
from cache.management.retention import CANNOT, NOTHING, selected, told

if TYPE_CHECKING:
    from django.core.management.base import CommandParser


class Command(BaseCommand):
    help = (
        "Remove a pin, written as it was when it was made (`pin` without an argument lists them)."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        explain(
            parser,
            "unpin library/node:20",
            codes={0: "unpinned", NOTHING: "there is no such pin", CANNOT: "it could not be done"},
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")
        parser.add_argument("what", type=selected, metavar="REPOSITORY|IMAGE|DIGEST|PATTERN")

    def handle(self, *_args: object, **options: Any) -> None:
        with told():
            if not retention.unpin(options["what"]):
                raise CommandError(f"there is no pin {options['what']}", returncode=NOTHING)
        what = str(options["what"])
        text = json.dumps({"unpinned": what}) if options["json"] else f"unpinned {what}"
        self.stdout.write(text)
