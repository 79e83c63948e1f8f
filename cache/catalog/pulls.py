"""When things were last pulled, written down in batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from itertools import islice
from typing import TypeVar

from django.db.models import Q

from cache import models
from cache.catalog.tags import confirm_tags
from cache.database import note
from cache.oci.repository import Repository
from cache.traffic import Pulls, Traffic

T = TypeVar("T")

#: Digests in one statement.
_CHUNK = 500


def write_down(traffic: Traffic) -> bool:
    """Tell the database what pulls have left in memory; whether it has taken their times.

    What it does not take of these is kept for the next time.
    """
    confirmed = traffic.take_confirmed()
    if confirmed:
        confirm_tags(confirmed)
    pulls = traffic.take_pulls()
    if not pulls or _record_pulls(pulls):
        return True
    traffic.give_back(pulls)
    return False


@note
def _record_pulls(pulls: Pulls) -> None:
    blobs = {str(digest): at for digest, at in pulls.blobs.items()}
    for at, digests in _by_second(blobs):
        models.Blob.objects.filter(digest__in=digests, pulled_at__lt=at).update(pulled_at=at)
    manifests: dict[Repository, dict[str, datetime]] = {}
    for (repository, digest), at in pulls.manifests.items():
        manifests.setdefault(repository, {})[str(digest)] = at
    # In order, so that no two processes wait for each other's rows in PostgreSQL.
    for repository, pulled in sorted(manifests.items(), key=lambda item: str(item[0])):
        links = models.ManifestLink.objects.filter(
            repository__upstream=repository.upstream, repository__name=str(repository.name)
        )
        latest = max(pulled.values())
        models.Repository.objects.filter(
            Q(pulled_at=None) | Q(pulled_at__lt=latest),
            upstream=repository.upstream,
            name=str(repository.name),
        ).update(pulled_at=latest)
        for at, digests in _by_second(pulled):
            links.filter(manifest__digest__in=digests, pulled_at__lt=at).update(pulled_at=at)


def _by_second(pulled: Mapping[str, datetime]) -> Iterator[tuple[datetime, list[str]]]:
    """What was pulled within one second, in chunks, with the latest of its times."""
    seconds: dict[int, list[str]] = {}
    for key, at in pulled.items():
        seconds.setdefault(int(at.timestamp()), []).append(key)
    for keys in seconds.values():
        for chunk in chunks(keys, _CHUNK):
            yield max(pulled[key] for key in chunk), chunk


def chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """The items in lists of ``size``, the last one perhaps shorter."""
    left = iter(items)
    while chunk := list(islice(left, size)):
        yield chunk
