"""`manage.py grant`: who may pull which private repositories."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.management.base import CommandError

from cache.access import grants
from cache.management import access
from cache.management.access import AccessCommand
from cache.management.explained import explain

if TYPE_CHECKING:
    from django.core.management.base import CommandParser


class Command(AccessCommand):
    help = "Grants: a user's or a group's right to pull private repositories."

    def add_arguments(self, parser: CommandParser) -> None:
        explain(
            parser,
            "grant create --user anna 'acme/**'",
            "grant list",
            "grant remove 3",
            codes=access.CODES,
        )
        verbs = parser.add_subparsers(dest="verb", required=True)
        create = access.add_verb(
            verbs,
            "create",
            "give the right, or give it another end",
            "--user anna 'acme/**'",
            "--group builders acme/app --expires 30d",
            command="grant",
        )
        holder = create.add_mutually_exclusive_group(required=True)
        holder.add_argument("--user")
        holder.add_argument("--group")
        access.add_pattern(create)
        create.add_argument("--expires", help="30d, 12h or 2030-01-31 (never)")
        listing = access.add_verb(
            verbs, "list", "all of them, with their numbers", "", "--json", command="grant"
        )
        remove = access.add_verb(
            verbs, "remove", "take the right away, at once", "3", command="grant"
        )
        remove.add_argument("number", type=int, help="as `list` shows it")
        for each in (create, listing, remove):
            access.add_json(each)

    def create(self, **options: Any) -> None:
        end = access.moment(options["expires"])
        reach = access.reach(options["pattern"], options["upstream"])
        name = options["user"] or options["group"]
        if options["user"]:
            number = grants.create(reach, user=access.user(name), expires_at=end)
        else:
            number = grants.create(reach, group=access.group(name), expires_at=end)
        value = {"grant": number, "holder": name, "repositories": str(reach), "expires_at": end}
        text = f"{number}\t{name} may pull {reach} {access.until(end)}"
        self.show(value, text, as_json=options["json"])

    def list(self, **options: Any) -> None:
        for each in grants.list_grants():
            value = {
                "grant": each.id,
                "user": each.user or None,
                "group": each.group or None,
                "repositories": str(each.reach),
                "expires_at": each.expires_at,
            }
            holder = each.user or f"the group {each.group}"
            text = f"{each.id}\t{holder} may pull {each.reach} {access.until(each.expires_at)}"
            self.show(value, text, as_json=options["json"])

    def remove(self, **options: Any) -> None:
        number = options["number"]
        if not grants.remove(number):
            raise CommandError(f"there is no grant {number}: `manage.py grant list` shows all")
        value = {"grant": number, "removed": True}
        self.show(value, f"The grant {number} is removed.", as_json=options["json"])
