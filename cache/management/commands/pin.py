"""`manage.py pin`: have something never be evicted, or list what is so."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.management.base import BaseCommand

from cache import retention, runtime
from cache.management.explained import explain
from cache.management.retention import CANNOT, selected, told, who

if TYPE_CHECKING:
    from django.core.management.base import CommandParser


class Command(BaseCommand):
    help = (
        "Pin a repository, a tag (library/node:20), a digest, or what patterns fit: it is never "
        "evicted. Without an argument, list the pins and what the configuration keeps."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        explain(
            parser,
            "pin library/node:20",
            "pin 'acme/**'",
            "pin",
            codes={0: "pinned, or listed", CANNOT: "no store, no database, or no such form"},
        )
        parser.add_argument("--json", action="store_true", help="print JSON, a line for each thing")
        parser.add_argument(
            "what", type=selected, nargs="?", metavar="REPOSITORY|IMAGE|DIGEST|PATTERN"
        )

    def handle(self, *_args: object, **options: Any) -> None:
        with told():
            if options["what"] is None:
                self._list(as_json=options["json"])
                return
            is_new = retention.pin(options["what"], who(), runtime.current().now())
        what = str(options["what"])
        if options["json"]:
            self.stdout.write(json.dumps({"pinned": what, "is_new": is_new}))
        else:
            self.stdout.write(f"pinned {what}" if is_new else f"{what} was pinned already")

    def _list(self, *, as_json: bool) -> None:
        for each in retention.list_pins():
            since = f"{each.created_at:%Y-%m-%d %H:%M} UTC"
            facts = {"by": each.created_by, "since": each.created_at.isoformat()}
            text = f"{each.selection}  pinned by {each.created_by}, {since}"
            self.stdout.write(_line(each.selection, facts) if as_json else text)
        for kept in settings.MIRROR.retention.keep:
            facts = {"by": "the configuration"}
            text = f"{kept}  kept by the configuration"
            self.stdout.write(_line(kept, facts) if as_json else text)


def _line(selection: object, facts: dict[str, str]) -> str:
    return json.dumps({"pinned": str(selection), **facts})
