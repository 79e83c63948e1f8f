"""Repositories: those from which upstream has given something."""

from __future__ import annotations

from datetime import datetime

from cache import models
from cache.database import question
from cache.oci.repository import Repository


@question
def is_repository_known(repository: Repository) -> bool:
    """Whether anything was ever given by this repository."""
    return models.Repository.objects.filter(
        upstream=repository.upstream, name=str(repository.name)
    ).exists()


@question
def list_repositories(upstream: str, limit: int, last: str) -> list[str]:
    """Up to ``limit`` names with a manifest here, in order, after ``last``."""
    rows = models.Repository.objects.filter(
        upstream=upstream, name__gt=last, manifest_links__isnull=False
    )
    return list(rows.order_by("name").values_list("name", flat=True).distinct()[:limit])


def repository_row(repository: Repository, now: datetime) -> models.Repository:
    """The row, made if it is the first time that something is given there; inside a note."""
    row, _ = models.Repository.objects.get_or_create(
        upstream=repository.upstream, name=str(repository.name), defaults={"first_seen_at": now}
    )
    return row
