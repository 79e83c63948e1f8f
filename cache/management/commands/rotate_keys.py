"""`manage.py rotate_keys`: a new key for the tokens that the mirror signs."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from cache import runtime
from cache.management.explained import explain

if TYPE_CHECKING:
    from django.core.management.base import CommandParser


CANNOT = 2


class Command(BaseCommand):
    help = (
        "Sign tokens with a new key from now on. Nobody is logged out: what older keys have signed "
        "is good until it expires. The mirror may run meanwhile."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        explain(
            parser,
            "rotate_keys",
            "rotate_keys --revoke",
            codes={0: "done", CANNOT: "there is no mirror, or the keys cannot be written"},
        )
        parser.add_argument(
            "--revoke",
            action="store_true",
            help="forget the older keys at once: for keys that somebody else may have. Whoever is "
            "signed in has to sign in again; access tokens stay good",
        )
        parser.add_argument("--json", action="store_true", help="print a JSON object")

    def handle(self, *_args: object, **options: Any) -> None:
        root = settings.MIRROR.storage.root
        if not root.is_dir():
            raise CommandError(f"there is no mirror in {root}", returncode=CANNOT)
        try:
            mirror = runtime.current()
        except OSError as error:
            message = f"the store in {root} cannot be used: {error}"
            raise CommandError(message, returncode=CANNOT) from None
        access = mirror.config.access
        longest = max(access.token_lifetime, access.refresh_lifetime)
        keep = timedelta(0) if options["revoke"] else longest
        try:
            older = mirror.keys.rotate(mirror.now(), keep)
        except OSError as error:
            message = f"the keys cannot be replaced: {error}"
            raise CommandError(message, returncode=CANNOT) from None
        if options["json"]:
            self.stdout.write(json.dumps({"older_keys": older}))
        else:
            self.stdout.write(f"Tokens are signed with a new key; {older} older ones still verify.")
