"""`manage.py du`: where the space is."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand

from cache import runtime
from cache.management.explained import explain
from cache.management.retention import CANNOT, counted, told
from cache.retention import Usage, readable, usage

if TYPE_CHECKING:
    from django.core.management.base import CommandParser


class Command(BaseCommand):
    help = (
        "Show where the store's space is, by repository, by upstream or by the age of the last "
        "pull. Bytes that several share are shown with each of them, and counted once in the total."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        explain(
            parser,
            "du",
            "du --by age",
            "du --json | jq .size",
            codes={0: "shown", CANNOT: "no store, no database, or a wrong option"},
        )
        parser.add_argument("--by", choices=("repository", "upstream", "age"), default="repository")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *_args: object, **options: Any) -> None:
        with told():
            mirror = runtime.current()
            found = usage(options["by"], mirror.now(), mirror.config.proxy.name)
            if options["json"]:
                self.stdout.write(json.dumps({"by": options["by"], **asdict(found)}))
            else:
                self._show(found)

    def _show(self, found: Usage) -> None:
        width = max((len(row.name) for row in found.rows), default=0)
        for row in found.rows:
            shared = f"  and {readable(row.shared)} shared" if row.shared else ""
            self.stdout.write(
                f"{row.name:<{width}}  {readable(row.own):>10}  "
                f"{counted(row.blobs, 'blob')}{shared}"
            )
        shared = f", of which {readable(found.shared)} are shared" if found.shared else ""
        self.stdout.write(
            f"in all {readable(found.size)} in {counted(found.blobs, 'blob')}{shared}"
        )
