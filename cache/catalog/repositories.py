"""Repositories: those from which upstream has given something."""

from __future__ import annotations

from datetime import datetime

from django.db import connection
from django.db.models import Q
from django.db.models.functions import Collate

from cache import models
from cache.database import question
from cache.oci.repository import Repository

#: What orders texts by their characters' codes, as Python does, and not by a language's rules.
_BY_CODE = {"postgresql": "C", "sqlite": "BINARY"}


@question
def is_repository_known(repository: Repository) -> bool:
    """Whether anything was ever given by this repository."""
    something = Q(manifest_links__isnull=False) | Q(blob_links__isnull=False)
    return models.Repository.objects.filter(
        something, upstream=repository.upstream, name=str(repository.name)
    ).exists()


@question
def list_repositories(upstream: str, limit: int, last: str) -> list[str]:
    """Up to ``limit`` names with a manifest here, after ``last``, in the order of their codes."""
    rows = models.Repository.objects.filter(upstream=upstream, manifest_links__isnull=False)
    rows = rows.annotate(code=Collate("name", _BY_CODE[connection.vendor])).filter(code__gt=last)
    return list(rows.order_by("code").values_list("code", flat=True).distinct()[:limit])


def repository_row(repository: Repository, now: datetime) -> models.Repository:
    """The row, made if it is the first time that something is given there; inside a note."""
    row, _ = models.Repository.objects.get_or_create(
        upstream=repository.upstream, name=str(repository.name), defaults={"first_seen_at": now}
    )
    return row
