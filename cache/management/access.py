"""What the commands about access have in common: how they read what an operator writes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import IntegrityError

from cache.access import grants, machine_tokens, reading, users
from cache.access.decision import Reach
from cache.management import failures
from cache.management.explained import explain
from cache.oci.errors import quote

if TYPE_CHECKING:
    from django.core.management.base import CommandParser


CANNOT = 2

#: What the commands about access end with.
CODES = {
    0: "done",
    1: "what was named is not there, or is there already",
    CANNOT: "it could not be done: no mirror, no database, or nothing that can be meant so",
}


class AccessCommand(BaseCommand):
    """A command of several verbs, each of which has a method of its own name."""

    requires_system_checks = ()

    def handle(self, *_args: object, **options: Any) -> None:
        with told():
            getattr(self, options["verb"])(**options)

    def show(self, value: object, text: str, *, as_json: bool) -> None:
        """Print a value as one line of JSON, or the text that says the same to a person."""
        self.stdout.write(json.dumps(value, default=_plain) if as_json else text)


@contextmanager
def told() -> Iterator[None]:
    """Around what is asked of the records: what prevents it is told in a sentence."""
    if not settings.MIRROR.storage.root.is_dir():
        message = f"there is no mirror in {settings.MIRROR.storage.root} yet: start it first"
        raise CommandError(message, returncode=CANNOT)
    with failures.told():
        yield


def add_verb(verbs: Any, name: str, text: str, *examples: str, command: str) -> CommandParser:
    """One of a command's verbs, with examples of what comes after it."""
    parser: CommandParser = verbs.add_parser(name, help=text, description=text)
    explain(parser, *(f"{command} {name} {each}".rstrip() for each in examples), codes=CODES)
    return parser


def add_json(parser: CommandParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON, a line for each thing")


_REPOSITORIES = "repositories: acme/app, acme/*, acme/** (with all below)"


def add_pattern(parser: CommandParser) -> None:
    parser.add_argument("pattern", metavar="PATTERN", help=_REPOSITORIES)
    _add_upstream(parser)


def add_limits(parser: CommandParser) -> None:
    parser.add_argument(
        "--limit", metavar="PATTERN", action="append", default=[], help=_REPOSITORIES
    )
    _add_upstream(parser)


def _add_upstream(parser: CommandParser) -> None:
    parser.add_argument(
        "--upstream",
        default=settings.MIRROR.proxy.name,
        help="the registry they are at (%(default)s), or '*' for every one",
    )


def reach(pattern: str, upstream: str) -> Reach:
    """The repositories that an operator means."""
    try:
        return reading.read_reach(settings.MIRROR, pattern, upstream)
    except reading.Unreadable as error:
        raise CommandError(str(error), returncode=CANNOT) from None


def user(name: str) -> int:
    """The primary key of the user."""
    found = users.find_user(name)
    if found is None:
        raise CommandError(f"there is no user {quote(name)}: `manage.py user create` makes one")
    return found


def group(name: str) -> int:
    """The primary key of the group."""
    found = grants.find_group(name)
    if found is None:
        raise CommandError(
            f"there is no group {quote(name)}: `manage.py user create --group` makes one"
        )
    return found


def new_token(
    owner: str, name: str, end: datetime | None = None, limits: Sequence[Reach] = ()
) -> str:
    """A new access token of the user ``owner``, which nobody can be shown again."""
    if not 0 < len(name) <= machine_tokens.LONGEST_NAME:
        allowed = f"1 to {machine_tokens.LONGEST_NAME} characters"
        raise CommandError(f"the token's name has {len(name)} characters; allowed {allowed}")
    try:
        return machine_tokens.create(user(owner), name, end, limits)
    except IntegrityError:
        raise CommandError(
            f"{owner} has a token {quote(name)} already: revoke it, or take another name"
        ) from None


def moment(text: str | None) -> datetime | None:
    """When something is to end: after `30d` or `12h`, or at `2030-01-31` (UTC)."""
    try:
        return None if text is None else reading.read_end(text, datetime.now(UTC))
    except reading.Unreadable as error:
        raise CommandError(str(error), returncode=CANNOT) from None


def until(end: datetime | None) -> str:
    """The end of something, for a person."""
    return "for ever" if end is None else f"until {end.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
