"""What a request asks for, in types."""

from __future__ import annotations

from urllib.parse import urlsplit

from django.http import HttpRequest

from cache import runtime
from cache.oci.errors import RegistryError, quote
from cache.oci.reference import RepositoryName, hub_name
from cache.oci.repository import Repository

#: The name that clients have for Docker Hub, whatever host it is reached at.
HUB = "docker.io"

_LONGEST_NUMBER = 9
_LONGEST_LAST = 255


def accepted_namespace(request: HttpRequest) -> str | None:
    """The registry that the client names in the query `ns`, if this mirror serves it.

    A daemon's mirror stands for Docker Hub whatever upstream it has, so `docker.io` always does.
    """
    config = runtime.current().config
    wanted = request.GET.get("ns")
    own_names = (HUB, config.upstream_name, urlsplit(config.proxy.remoteurl).netloc)
    return wanted if wanted in own_names else None


def parse_repository(request: HttpRequest, name: str) -> Repository:
    """The repository in the path, at the upstream that the client means.

    containerd names the registry that it wants in the query `ns`. Raises :class:`RegistryError`
    NAME_INVALID or NAME_UNKNOWN.
    """
    config = runtime.current().config
    wanted = request.GET.get("ns")
    if wanted and accepted_namespace(request) is None:
        raise RegistryError(
            "NAME_UNKNOWN",
            f"no upstream is configured for the registry {quote(wanted)}: "
            f"this mirror serves {config.upstream_name}",
        )
    parsed = RepositoryName.parse(name)
    return Repository(config.upstream_name, hub_name(parsed) if config.is_hub else parsed)


def parse_page(request: HttpRequest) -> tuple[int | None, str]:
    """How many names at most (`n`), and after which one (`last`, empty for the beginning)."""
    last = request.GET.get("last", "")
    if len(last) > _LONGEST_LAST or "\x00" in last:
        raise RegistryError("NAME_INVALID", f"last={quote(last)} is not a name to go on from")
    number = request.GET.get("n")
    if number is None:
        return None, last
    if not (number.isascii() and number.isdigit() and len(number) <= _LONGEST_NUMBER):
        raise RegistryError(
            "PAGINATION_NUMBER_INVALID",
            f"n={quote(number)} is not a count: allowed is a number from 0 on",
        )
    return int(number), last
