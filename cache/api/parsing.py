"""What a request asks for, in types."""

from __future__ import annotations

from collections.abc import Container

from django.http import HttpRequest

from cache import request as asking
from cache import runtime
from cache.access.decision import Client
from cache.access.scopes import of_repository
from cache.api.identity import identify
from cache.config import Proxy
from cache.naming import locate, public_name, upstream_called
from cache.oci.errors import RegistryError, quote
from cache.oci.repository import Repository
from cache.pull import Unauthorized

_LONGEST_NUMBER = 9
_LONGEST_LAST = 255


def accepted_namespace(request: HttpRequest, served: Container[str]) -> str | None:
    """The registry that the client names in the query `ns`, if it is among those ``served``."""
    wanted = namespace_of(request)
    return wanted if wanted is not None and wanted in served else None


def namespace_of(request: HttpRequest) -> str | None:
    """The registry that the client names in the query `ns`; most requests have no query."""
    return request.GET.get("ns") if request.META.get("QUERY_STRING") else None


def parse_repository(request: HttpRequest, name: str) -> Repository:
    """The repository that the client means; raises :class:`RegistryError`.

    containerd names the registry that it wants in the query `ns`.
    """
    return locate(runtime.current().config, name, namespace_of(request))


def who_pulls_what(request: HttpRequest, name: str) -> tuple[Client, Repository]:
    """The client, and the repository that it means; raises :class:`RegistryError`.

    Who has to sign in before anything is not told what is wrong with the name either.
    """
    config = runtime.current().config
    try:
        repository = parse_repository(request, name)
    except RegistryError:
        if identify(request).is_anonymous and config.access.anonymous == "none":
            raise Unauthorized("authentication is required") from None
        raise
    asked = asking.current()
    if asked is not None:
        asked.repository = repository
    client = identify(request, lambda: of_repository(public_name(config, repository)))
    return client, repository


def parse_upstream(request: HttpRequest) -> Proxy | None:
    """The upstream that the client names, if it names one; raises :class:`RegistryError`."""
    wanted = request.GET.get("ns")
    return upstream_called(runtime.current().config, wanted) if wanted else None


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
