"""`manage.py token`: access tokens, for machines that pull."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.management.base import CommandError

from cache import runtime
from cache.access import machine_tokens
from cache.config import listener
from cache.management import access
from cache.management.access import AccessCommand
from cache.management.explained import explain
from cache.oci.errors import quote

if TYPE_CHECKING:
    from django.core.management.base import CommandParser


class Command(AccessCommand):
    help = (
        "Access tokens: passwords for machines. One is shown once, when it is made; it can pull "
        "what its user can pull, or less."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        explain(
            parser,
            "token create ci runner-1",
            "token list",
            "token revoke ci runner-1",
            codes=access.CODES,
        )
        verbs = parser.add_subparsers(dest="verb", required=True)
        create = access.add_verb(
            verbs,
            "create",
            "make one and show it",
            "ci runner-1",
            "ci runner-1 --expires 90d --limit 'acme/*'",
            command="token",
        )
        create.add_argument("user")
        create.add_argument("name", help="what it is for: the machine's name")
        create.add_argument("--expires", help="30d, 12h or 2030-01-31 (never)")
        access.add_limits(create)
        listing = access.add_verb(
            verbs, "list", "all of them, or those of a user", "", "ci --json", command="token"
        )
        listing.add_argument("user", nargs="?")
        revoke = access.add_verb(
            verbs, "revoke", "have it be worthless from now on", "ci runner-1", command="token"
        )
        revoke.add_argument("user")
        revoke.add_argument("name")
        for each in (create, listing, revoke):
            access.add_json(each)

    def create(self, **options: Any) -> None:
        name = options["name"]
        limits = [access.reach(each, options["upstream"]) for each in options["limit"]]
        end = access.moment(options["expires"])
        token = access.new_token(options["user"], name, end, limits)
        mirror = f"{listener.url(settings.MIRROR.http)}/t/{token}/"
        shown = {"user": options["user"], "name": name, "token": token, "expires_at": end}
        text = (
            f"{token}\n"
            f"It is shown this once, and good {access.until(end)}.\n"
            f"  docker login -u {options['user']} --password-stdin\n"
            f'  /etc/docker/daemon.json: {{"registry-mirrors": ["{mirror}"]}}'
        )
        self.show({**shown, "mirror": mirror}, text, as_json=options["json"])

    def list(self, **options: Any) -> None:
        owner = access.user(options["user"]) if options["user"] else None
        for each in machine_tokens.list_tokens(owner):
            limits = None if each.limits is None else [str(limit) for limit in each.limits]
            value = {
                "user": each.user,
                "name": each.name,
                "limits": limits,
                "created_at": each.created_at,
                "expires_at": each.expires_at,
                "revoked_at": each.revoked_at,
                "last_used_at": each.last_used_at,
            }
            state = "revoked" if each.revoked_at else access.until(each.expires_at)
            used = f"{each.last_used_at:%Y-%m-%d %H:%M} UTC" if each.last_used_at else "never"
            what = "all that its user may pull" if limits is None else " ".join(limits)
            text = f"{each.user}\t{each.name}\t{state}\tlast used: {used}\t{what}"
            self.show(value, text, as_json=options["json"])

    def revoke(self, **options: Any) -> None:
        owner, name = access.user(options["user"]), options["name"]
        if not machine_tokens.revoke(owner, name, runtime.current().now()):
            raise CommandError(f"{options['user']} has no token {quote(name)} in force")
        value = {"user": options["user"], "name": name, "revoked": True}
        self.show(
            value, f"The token {name} of {options['user']} is revoked.", as_json=options["json"]
        )
