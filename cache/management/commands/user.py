"""`manage.py user`: those who may sign in, besides the superusers that Django's command makes."""

from __future__ import annotations

import getpass
import sys
import warnings
from typing import TYPE_CHECKING, Any

from django.core.management.base import CommandError

from cache.access import users
from cache.management import access
from cache.management.access import AccessCommand
from cache.management.explained import explain
from cache.oci.errors import quote

if TYPE_CHECKING:
    from django.core.management.base import CommandParser


class Command(AccessCommand):
    help = (
        "Users who pull. `createsuperuser` makes one who may pull everything, `changepassword` "
        "gives one another password."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        explain(
            parser,
            "user create anna",
            "user activate anna",
            "user deactivate anna",
            "user list",
            codes=access.CODES,
        )
        verbs = parser.add_subparsers(dest="verb", required=True)
        create = access.add_verb(
            verbs,
            "create",
            "make one; the password is asked for",
            "anna",
            "ci --no-password --group builders",
            command="user",
        )
        create.add_argument("--password-stdin", action="store_true", help="or read from there")
        create.add_argument(
            "--no-password", action="store_true", help="or none: for tokens and certificates only"
        )
        create.add_argument("--group", action="append", default=[], help="made if it is missing")
        activate = access.add_verb(
            verbs, "activate", "let the user sign in again", "anna", command="user"
        )
        deactivate = access.add_verb(
            verbs, "deactivate", "end all that the user can do, at once", "anna", command="user"
        )
        for each in (create, activate, deactivate):
            each.add_argument("name")
        listing = access.add_verb(verbs, "list", "all of them", "", "--json", command="user")
        for each in (create, activate, deactivate, listing):
            access.add_json(each)

    def create(self, **options: Any) -> None:
        name = options["name"]
        if users.find_user(name) is not None:
            raise CommandError(f"there is a user {quote(name)} already")
        password = (
            None if options["no_password"] else _password(from_stdin=options["password_stdin"])
        )
        try:
            users.create(name, password, options["group"])
        except users.NotAllowed as refused:
            raise CommandError(str(refused)) from None
        self.show({"user": name}, f"The user {name} may sign in.", as_json=options["json"])

    def activate(self, **options: Any) -> None:
        self._set(is_active=True, **options)

    def deactivate(self, **options: Any) -> None:
        self._set(is_active=False, **options)

    def list(self, **options: Any) -> None:
        for each in users.list_users():
            value = {
                "user": each.name,
                "active": each.is_active,
                "superuser": each.is_superuser,
                "groups": list(each.groups),
            }
            marks = ["" if each.is_active else "may not sign in", "superuser" * each.is_superuser]
            text = "\t".join([each.name, *(mark for mark in marks if mark), *each.groups])
            self.show(value, text, as_json=options["json"])

    def _set(self, *, is_active: bool, **options: Any) -> None:
        users.set_active(access.user(options["name"]), is_active=is_active)
        may = "may sign in" if is_active else "may not sign in any more"
        value = {"user": options["name"], "active": is_active}
        self.show(value, f"The user {options['name']} {may}.", as_json=options["json"])


def _password(*, from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline(users.LONGEST_PASSWORD + 2).rstrip("\r\n")
    try:
        with warnings.catch_warnings():
            # It would read from whatever there is instead.
            warnings.simplefilter("error", getpass.GetPassWarning)
            first, second = getpass.getpass(), getpass.getpass("Password (again): ")
    except (getpass.GetPassWarning, EOFError):
        message = "there is no terminal to ask for the password: add --password-stdin and write "
        message += "the password to standard input, or add --no-password"
        raise CommandError(message, returncode=access.CANNOT) from None
    if first != second:
        raise CommandError("the two passwords differ")
    return first
