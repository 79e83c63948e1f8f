"""`manage.py client_config`: print the file by which a client pulls through this mirror."""

from __future__ import annotations

import argparse
import ipaddress
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from cache import clients, naming
from cache.config import listener, upstream_values
from cache.config.document import Scalar
from cache.config.values import Refused
from cache.management.explained import explain
from cache.oci.errors import RegistryError

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
            "client_config k3s --json | jq -r .path",
            codes={0: "printed", MISTAKE: "there is no such file, or a wrong option"},
        )
        parser.add_argument("client", choices=sorted(clients.CLIENTS))
        parser.add_argument(
            "--url", type=_url, help="how clients reach the mirror, if not as it seems from here"
        )
        parser.add_argument(
            "--registry", help="for the images of this registry alone (all that the file can name)"
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *_args: object, **options: Any) -> None:
        config: Config = settings.MIRROR
        mirror = clients.Mirror(config, options["url"] or listener.url(config.http))
        try:
            file = clients.client_file(
                options["client"], mirror, _wanted(config, options["registry"])
            )
        except clients.NotPossible as error:
            raise CommandError(str(error), returncode=MISTAKE) from None
        notes = [*file.notes, *_warnings(mirror)]
        if options["json"]:
            facts = {"path": str(file.path), "content": file.content, "notes": notes}
            self.stdout.write(json.dumps(facts))
            return
        self.stdout.write(file.content, ending="")
        for note in (f"file: {file.path}", *notes):
            self.stderr.write(note)


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
