"""Which repository is meant: clients name an upstream in a query, in the path, or not at all."""

from __future__ import annotations

import functools

from cache.config import Config, Proxy
from cache.oci.errors import RegistryError, quote
from cache.oci.reference import RepositoryName, hub_name
from cache.oci.repository import Repository

#: What is pulled much is asked for by the same few names; they are kept as what they mean.
_NAMES_KEPT = 4096


def locate(config: Config, name: str, namespace: str | None = None) -> Repository:
    """The repository that a path calls ``name``, with containerd's ``ns`` if there is one.

    `ghcr.io/owner/image` and `owner/image` with the namespace `ghcr.io` are one repository.
    Raises :class:`RegistryError` NAME_INVALID or NAME_UNKNOWN.
    """
    if namespace:
        return _at(upstream_called(config, namespace), name)
    first, _, rest = name.partition("/")
    if rest and first in config.names:
        return _at(config.names[first], rest)
    if rest and config.proxy.is_hub and "." in first:
        # No user of Docker Hub has a dot in the name: this is a registry that we do not have.
        upstream_called(config, first)
    return _at(config.proxy, name)


def prefix(config: Config, upstream: Proxy) -> str:
    """What stands before a repository's name in the path by which any client reaches it here."""
    return "" if upstream == config.proxy else f"{upstream.name}/"


def public_name(config: Config, repository: Repository) -> str:
    """The path by which any client reaches the repository here."""
    return prefix(config, config.names[repository.upstream]) + str(repository.name)


def upstream_called(config: Config, namespace: str) -> Proxy:
    """The upstream that clients call so; raises :class:`RegistryError` NAME_UNKNOWN."""
    if namespace in config.names:
        return config.names[namespace]
    served = ", ".join(upstream.name for upstream in config.upstreams)
    raise RegistryError(
        "NAME_UNKNOWN",
        f"no upstream is configured for the registry {quote(namespace)}: "
        f"this mirror serves {served}",
    )


def _at(upstream: Proxy, name: str) -> Repository:
    return _repository(upstream.name, name, is_hub=upstream.is_hub)


@functools.lru_cache(_NAMES_KEPT)
def _repository(upstream: str, name: str, *, is_hub: bool) -> Repository:
    parsed = RepositoryName.parse(name)
    return Repository(upstream, hub_name(parsed) if is_hub else parsed)
