"""`manage.py purge`: remove one bad image, or whatever an operator names."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError

from cache import retention
from cache.management.explained import explain
from cache.management.retention import (
    CANNOT,
    NOTHING,
    counted,
    facts,
    line,
    say,
    selected,
    title,
    told,
    who,
)
from cache.retention import Found, Image, LoneBlob, Removed, current_policy, readable

if TYPE_CHECKING:
    from django.core.management.base import CommandParser

_MOST_SHOWN = 20


class Command(BaseCommand):
    help = (
        "Remove an image (library/node:20), a repository's content, a digest, or what patterns fit "
        "(acme/**, library/*:rc*): the next pull fetches it anew. Asks before it removes more than "
        "one thing, and again for what is pinned."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        explain(
            parser,
            "purge library/node:20",
            "purge 'library/*:rc*' --yes",
            "purge sha256:0123… --yes --json",
            codes={
                0: "done",
                NOTHING: "there is nothing such, or the answer was no",
                CANNOT: "it could not be done",
            },
        )
        parser.add_argument(
            "--json", action="store_true", help="print a JSON object a line: removals, a summary"
        )
        parser.add_argument("what", type=selected, metavar="IMAGE|DIGEST|PATTERN")
        parser.add_argument("--yes", action="store_true", help="ask nothing")

    def handle(self, *_args: object, **options: Any) -> None:
        with told():
            found = retention.find(options["what"], current_policy())
            if not found.digests:
                raise CommandError(f"nothing here is {options['what']}", returncode=NOTHING)
            if not options["yes"]:
                self._ask(found)

            def tell(removed: Removed) -> None:
                as_json = options["json"]
                text = json.dumps({"removed": facts(removed)}) if as_json else line(removed)
                say(self.stdout, text)

            size = retention.purge(found, who(), tell)
        if options["json"]:
            counts = {"images": len(found.images), "blobs": len(found.blobs), "size": size}
            self.stdout.write(json.dumps({"summary": counts}))
            return
        self.stdout.write(
            f"purged {counted(len(found.images), 'image')}, "
            f"{counted(len(found.blobs), 'lone blob')}, {readable(size)}"
        )

    def _ask(self, found: Found) -> None:
        """Ask on standard error: standard output is for what was removed."""
        things: list[Image | LoneBlob] = [*found.images, *found.blobs]
        if len(things) > 1:
            for thing in things[:_MOST_SHOWN]:
                self.stderr.write(title(thing))
            if len(things) > _MOST_SHOWN:
                self.stderr.write(f"and {len(things) - _MOST_SHOWN} more")
            self._confirm(f"Purge these {len(things)}?")
        for thing in things:
            if found.is_pinned(thing.digest):
                self._confirm(f"{title(thing)} is pinned. Purge it all the same?")

    def _confirm(self, question: str) -> None:
        if not sys.stdin.isatty():
            message = f"{question} There is nobody to ask: add --yes"
            raise CommandError(message, returncode=CANNOT)
        self.stderr.write(f"{question} [y/N] ", ending="")
        self.stderr.flush()
        if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
            raise CommandError("nothing was purged", returncode=NOTHING)
