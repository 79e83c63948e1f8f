"""Grants, for the operator who makes and removes them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import Group
from django.db.models import Q

from cache import models
from cache.access.decision import Reach
from cache.access.users import is_storable
from cache.oci.pattern import Pattern


@dataclass(frozen=True, slots=True)
class Listed:
    """A grant and who holds it: ``user`` or ``group``, the other one is empty."""

    id: int
    user: str
    group: str
    reach: Reach
    expires_at: datetime | None


def create(
    reach: Reach,
    *,
    user: int | None = None,
    group: int | None = None,
    expires_at: datetime | None = None,
) -> int:
    """A new grant for a user or a group (primary keys, one of them); its own primary key.

    The same grant is not made twice: then it gets the new end.
    """
    holder = Q(user=user, group__isnull=True) if user else Q(group=group, user__isnull=True)
    row = models.Grant.objects.filter(
        holder, upstream=reach.upstream, pattern=str(reach.pattern)
    ).first()
    if row is None:
        row = models.Grant(user_id=user, group_id=group, upstream=reach.upstream)
    row.pattern, row.expires_at = str(reach.pattern), expires_at
    row.save()
    return row.pk


def remove(grant: int) -> bool:
    """Whether there was such a grant."""
    row = models.Grant.objects.filter(pk=grant).first()
    if row is None:
        return False
    row.delete()
    return True


def list_grants() -> list[Listed]:
    """All of them, in the order of their making."""
    rows = models.Grant.objects.select_related("user", "group").order_by("pk")
    return [
        Listed(
            id=row.pk,
            user=row.user.get_username() if row.user else "",
            group=row.group.name if row.group else "",
            reach=Reach(row.upstream, Pattern(row.pattern)),
            expires_at=row.expires_at,
        )
        for row in rows
    ]


def find_group(name: str) -> int | None:
    """The primary key of the group with this name."""
    if not is_storable(name):
        return None
    return Group.objects.filter(name=name).values_list("pk", flat=True).first()
