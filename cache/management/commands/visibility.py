"""`manage.py visibility`: whether repositories are public, said by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.management.base import CommandError

from cache.access import visibility
from cache.access.decision import Visibility
from cache.management import access
from cache.management.access import AccessCommand
from cache.management.explained import explain

if TYPE_CHECKING:
    from django.core.management.base import CommandParser


class Command(AccessCommand):
    help = (
        "Fix by hand whether repositories are public. Without a word, a repository is public if "
        "upstream gives it to anonymous clients."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        explain(
            parser,
            "visibility set public acme/open",
            "visibility unset acme/open",
            "visibility list",
            codes=access.CODES,
        )
        verbs = parser.add_subparsers(dest="verb", required=True)
        fix = access.add_verb(
            verbs, "set", "say it", "public acme/open", "private 'acme/**'", command="visibility"
        )
        fix.add_argument("visibility", choices=["public", "private"])
        unfix = access.add_verb(
            verbs, "unset", "have upstream be asked again", "acme/open", command="visibility"
        )
        for each in (fix, unfix):
            access.add_pattern(each)
        listing = access.add_verb(
            verbs,
            "list",
            "all that was said; the first that fits counts",
            "",
            "--json",
            command="visibility",
        )
        for each in (fix, unfix, listing):
            access.add_json(each)

    def set(self, **options: Any) -> None:
        reach = access.reach(options["pattern"], options["upstream"])
        found = Visibility(options["visibility"])
        visibility.fix(reach, found)
        value = {"repositories": str(reach), "visibility": found.value}
        self.show(value, f"{reach} is {found.value} from now on.", as_json=options["json"])

    def unset(self, **options: Any) -> None:
        reach = access.reach(options["pattern"], options["upstream"])
        if not visibility.unfix(reach):
            raise CommandError(f"nothing is said of exactly {reach}: `list` shows what is")
        value = {"repositories": str(reach), "visibility": None}
        self.show(value, f"Upstream says whether {reach} is public.", as_json=options["json"])

    def list(self, **options: Any) -> None:
        for reach, found in visibility.list_rules():
            value = {"repositories": str(reach), "visibility": found.value}
            self.show(value, f"{reach} is {found.value}", as_json=options["json"])
