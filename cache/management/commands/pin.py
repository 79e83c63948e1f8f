"""`manage.py pin`: have something never be evicted, or list what is so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.management.base import BaseCommand

from cache import retention, runtime
from cache.management.retention import selected, told, who

if TYPE_CHECKING:
    from django.core.management.base import CommandParser


class Command(BaseCommand):
    help = (
        "Pin a repository, a tag (library/node:20), a digest, or what patterns fit: it is never "
        "evicted. Without an argument, list the pins and what the configuration keeps."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "what", type=selected, nargs="?", metavar="REPOSITORY|IMAGE|DIGEST|PATTERN"
        )

    def handle(self, *_args: object, **options: Any) -> None:
        with told():
            if options["what"] is None:
                self._list()
            elif retention.pin(options["what"], who(), runtime.current().now()):
                self.stdout.write(f"pinned {options['what']}")
            else:
                self.stdout.write(f"{options['what']} was pinned already")

    def _list(self) -> None:
        for each in retention.list_pins():
            since = f"{each.created_at:%Y-%m-%d %H:%M} UTC"
            self.stdout.write(f"{each.selection}  pinned by {each.created_by}, {since}")
        for kept in settings.MIRROR.retention.keep:
            self.stdout.write(f"{kept}  kept by the configuration")
