"""Lists: tags and referrers as upstream has them, or as far as they are known here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from heapq import merge
from itertools import islice

from cache import catalog, naming, runtime
from cache.access.decision import Client
from cache.config import Proxy
from cache.oci.digest import Digest
from cache.oci.errors import RegistryError
from cache.oci.manifest import (
    BadManifest,
    Descriptor,
    descriptor_of,
    filter_referrers,
    read_manifest,
    referrers_index,
)
from cache.oci.reference import RepositoryName, referrers_tag
from cache.oci.repository import Repository
from cache.pull.manifests import resolve_permitted
from cache.pull.outcome import Outcome
from cache.pull.permission import doubt, permit, permit_catalog, visible
from cache.pull.refusals import from_upstream
from cache.upstream import errors

#: The most entries of one page, and of a list of referrers.
LONGEST_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Page:
    """Names in order; ``more`` if there are further ones behind the last."""

    names: tuple[str, ...]
    more: bool
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Referrers:
    """An index of referrers, ``filtered`` by the artifact type if one was asked for."""

    body: bytes
    outcome: Outcome


def list_tags(client: Client, repository: Repository, limit: int | None, last: str) -> Page:
    """The repository's tags after ``last``, at most ``limit``; raises :class:`RegistryError`.

    Upstream's list is always asked for, since only upstream knows it; without upstream, or once
    its quota is spent, the tags that were pulled through here are listed. The order is that of the
    characters' codes.
    """
    permit(client, repository)
    mirror = runtime.current()
    try:
        everything = mirror.flights.share(
            ("tags", repository),
            lambda: sorted(mirror.upstream_of(repository).list_tags(repository.name)),
        )
        outcome = Outcome.REVALIDATED
    except (errors.NotFound, errors.Denied) as error:
        if isinstance(error, errors.Denied):
            doubt(repository)
        raise from_upstream(error, "NAME_UNKNOWN") from error
    except errors.UpstreamError as error:
        everything = sorted(catalog.list_tags(repository))
        if not everything and not catalog.is_repository_known(repository):
            raise from_upstream(error, "NAME_UNKNOWN") from error
        outcome = Outcome.STALE
    following = [tag for tag in everything if tag > last]
    names = following if limit is None else following[:limit]
    return Page(tuple(names), len(following) > len(names), outcome)


def list_repositories(client: Client, upstream: Proxy | None, limit: int | None, last: str) -> Page:
    """The repositories with a manifest here that this client may pull, by the paths to them.

    Those of one upstream have the names that they have there. Raises :class:`RegistryError`.
    """
    permit_catalog(client)
    bound = min(limit if limit is not None else LONGEST_PAGE, LONGEST_PAGE)
    if upstream is not None:
        found = _visible(client, upstream, last)
    else:
        config = runtime.current().config
        found = merge(
            *(_paths(client, each, naming.prefix(config, each), last) for each in config.upstreams)
        )
    names = list(islice(found, bound + 1)) if bound else []
    return Page(tuple(names[:bound]), len(names) > bound, Outcome.HIT)


def _paths(client: Client, upstream: Proxy, prefix: str, last: str) -> Iterator[str]:
    """The paths of one upstream's repositories, in order, after ``last``."""
    if last.startswith(prefix):
        after = last.removeprefix(prefix)
    elif prefix > last:
        after = ""
    else:
        return
    for name in _visible(client, upstream, after):
        yield prefix + name


def _visible(client: Client, upstream: Proxy, last: str) -> Iterator[str]:
    """The names of the repositories of one upstream that the client may pull, after ``last``."""
    while names := catalog.list_repositories(upstream.name, LONGEST_PAGE, last):
        held = [Repository(upstream.name, RepositoryName.parse(name)) for name in names]
        for repository in visible(client, held):
            yield str(repository.name)
        last = names[-1]


def list_referrers(
    client: Client, repository: Repository, subject: Digest, artifact_type: str | None
) -> Referrers:
    """What refers to ``subject``, as an OCI index; raises :class:`RegistryError`.

    From upstream's API, from the referrers tag where it has none (distribution specification,
    "Listing Referrers"), and from what is known here without upstream.
    """
    permit(client, repository, subject)
    mirror = runtime.current()
    try:
        answer = mirror.upstream_of(repository).list_referrers(
            repository.name, subject, artifact_type
        )
    except errors.NotFound:
        listed, outcome = _from_referrers_tag(repository, subject)
    except errors.Denied as error:
        doubt(repository)
        raise from_upstream(error, "NAME_UNKNOWN") from error
    except errors.UpstreamError as error:
        if not catalog.is_repository_known(repository):
            raise from_upstream(error, "NAME_UNKNOWN") from error
        listed, outcome = _from_here(repository, subject), Outcome.STALE
    else:
        listed, outcome = _read_index(answer.body), Outcome.REVALIDATED
    if artifact_type is not None:
        listed = filter_referrers(listed, artifact_type)
    return Referrers(referrers_index(listed), outcome)


def _from_referrers_tag(
    repository: Repository, subject: Digest
) -> tuple[tuple[Descriptor, ...], Outcome]:
    try:
        answer = resolve_permitted(repository, referrers_tag(subject), None)
    except RegistryError as error:
        if error.status == 404:
            return (), Outcome.REVALIDATED
        raise
    return _read_index(answer.manifest.body), answer.outcome


def _read_index(body: bytes) -> tuple[Descriptor, ...]:
    try:
        return tuple(read_manifest(body, None).children)
    except BadManifest as error:
        message = f"upstream's list of referrers is not usable: {error}"
        raise RegistryError("UNAVAILABLE", message, status=502) from error


def _from_here(repository: Repository, subject: Digest) -> tuple[Descriptor, ...]:
    held = catalog.list_referrers(repository, subject, LONGEST_PAGE)
    return tuple(
        descriptor_of(read_manifest(found.body, found.media_type, found.digest)) for found in held
    )
