"""`manage.py client_config`: print the file by which a client pulls through this mirror."""

from __future__ import annotations

import argparse
import ipaddress
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from cache import clients, naming
from cache.config import listener, upstream_values
from cache.config.document import Scalar
from cache.config.values import Refused
from cache.management import access
from cache.management.beginning import check_database
from cache.management.explained import explain
from cache.oci.errors import RegistryError, quote

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.core.management.base import CommandParser

    from cache.config import Config

MISTAKE = 2


class Command(BaseCommand):
    help = (
        "Print a client's configuration file with this mirror's address. The file goes to standard "
        "output; where it belongs, and what else there is to do, to standard error."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        explain(
            parser,
            "client_config docker >/etc/docker/daemon.json",
            "client_config podman --url https://mirror.example",
            "client_config containerd --registry ghcr.io",
            "client_config containerd --token --user ci --name runner-1 --expires 90d",
            "client_config k3s --json | jq -r .path",
            codes={
                0: "printed",
                1: "there is no such user, or the user has such a token already",
                MISTAKE: "there is no such file, a wrong option, or (--token) no mirror's database",
            },
        )
        parser.add_argument("client", choices=sorted(clients.CLIENTS))
        parser.add_argument(
            "--url", type=_url, help="how clients reach the mirror, if not as it seems from here"
        )
        parser.add_argument(
            "--registry", help="for the images of this registry alone (all that the file can name)"
        )
        token = parser.add_argument_group("a file with an access token in it")
        token.add_argument(
            "--token", action="store_true", help="make a new one, which is shown this once"
        )
        token.add_argument("--user", help="whose it is: it can pull what this user can pull")
        token.add_argument("--name", help="what it is called (as the client and the registry)")
        token.add_argument("--expires", help="30d, 12h or 2030-01-31 (never)")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *_args: object, **options: Any) -> None:
        config: Config = settings.MIRROR
        mirror = clients.Mirror(config, options["url"] or listener.url(config.http))
        wanted = _wanted(config, options["registry"])
        _check_token_options(options)
        try:
            file = clients.client_file(options["client"], mirror, wanted)
        except clients.NotPossible as error:
            raise CommandError(str(error), returncode=MISTAKE) from None
        notes = []
        if options["token"]:
            token, note = _new_token(options)
            file = clients.client_file(options["client"], replace(mirror, token=token), wanted)
            notes.append(note)
        notes += [*file.notes, *_warnings(mirror)]
        if options["json"]:
            facts = {"path": str(file.path), "content": file.content, "notes": notes}
            self.stdout.write(json.dumps(facts))
            return
        self.stdout.write(file.content, ending="")
        for note in (f"file: {file.path}", *notes):
            self.stderr.write(note)


def _check_token_options(options: dict[str, Any]) -> None:
    if options["token"] and not options["user"]:
        raise CommandError(
            "found --token and no user; allowed is --token --user NAME: an access token can pull "
            "what its user can pull (`manage.py user list` shows them)",
            returncode=MISTAKE,
        )
    others = [f"--{name}" for name in ("user", "name", "expires") if options[name] is not None]
    if others and not options["token"]:
        raise CommandError(
            f"found {others[0]} without --token; allowed is {others[0]} with it",
            returncode=MISTAKE,
        )


def _new_token(options: dict[str, Any]) -> tuple[str, str]:
    """An access token for the file, and what is said of it."""
    check_database()
    owner = options["user"]
    given = " ".join(filter(None, (options["client"], options["registry"])))
    name = given if options["name"] is None else options["name"]
    with access.told():
        end = access.moment(options["expires"])
        token = access.new_token(owner, name, end)
    return token, (
        f"the access token {quote(name)} of {owner} is new: it is shown this once, and good "
        f"{access.until(end)}"
    )


def _wanted(config: Config, registry: str | None) -> tuple[str, ...]:
    if registry is None:
        return clients.registries(config)
    try:
        naming.upstream_called(config, registry)
    except RegistryError as error:
        raise CommandError(error.message, returncode=MISTAKE) from None
    return (registry,)


def _warnings(mirror: clients.Mirror) -> Iterator[str]:
    host = urlsplit(mirror.url).hostname or ""
    if host == "localhost" or _is_loopback(host):
        yield f"warning: {host} is reached from this machine only; name another with --url"
    if not mirror.is_plain:
        yield f"the mirror's certificate has to be for {host}, by an authority that clients trust"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _url(text: str) -> str:
    try:
        return upstream_values.remote_url(Scalar(text))
    except Refused as refused:
        found = refused.found or repr(text[:80])
        raise argparse.ArgumentTypeError(f"found {found}; allowed {refused.allowed}") from None
