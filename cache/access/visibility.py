"""Whether a repository is public: what an operator fixed, and what upstream was seen to do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from cache import models
from cache.access.decision import Reach, Visibility
from cache.access.remembered import Remembered
from cache.database import note, question
from cache.oci.pattern import Pattern
from cache.oci.repository import Repository

#: Seconds for which the rules are taken for what the database said, if nobody tells of a change.
LONGEST = 60.0

Rules = tuple[tuple[Reach, Visibility], ...]


@dataclass(frozen=True, slots=True)
class Seen:
    """How upstream treated an anonymous client, and when."""

    visibility: Visibility
    checked_at: datetime


def rules(remembered: Remembered) -> Rules:
    """What operators fixed by hand. The first that covers a repository counts."""
    found: Rules | None = remembered.get(("rules",), LONGEST)
    if found is None:
        stamp = remembered.stamp()
        found = list_rules()
        remembered.keep(("rules",), found, stamp)
    return found


def fixed(repository: Repository, remembered: Remembered) -> Visibility | None:
    """What an operator said of the repository, if anything."""
    for reach, visibility in rules(remembered):
        if reach.covers(repository):
            return visibility
    return None


@question
def find_seen(repository: Repository) -> Seen | None:
    """What upstream was last seen to do."""
    row = (
        models.Repository.objects.filter(upstream=repository.upstream, name=str(repository.name))
        .values_list("visibility", "visibility_checked_at")
        .first()
    )
    if row is None or not row[0] or row[1] is None:
        return None
    return Seen(Visibility(row[0]), row[1])


@question
def public_ones(upstream: str, names: Iterable[str], since: datetime) -> set[str]:
    """Those of the repositories that upstream was seen to give to anonymous clients since then."""
    rows = models.Repository.objects.filter(
        upstream=upstream,
        name__in=list(names),
        visibility=Visibility.PUBLIC.value,
        visibility_checked_at__gt=since,
    )
    return set(rows.values_list("name", flat=True))


@note
def record_seen(repository: Repository, visibility: Visibility, now: datetime) -> None:
    """Upstream was asked by an anonymous client.

    Of a repository that is private, or is none, nothing is written unless it is here already:
    anyone can ask for anything.
    """
    seen = {"visibility": visibility.value, "visibility_checked_at": now}
    of_this = {"upstream": repository.upstream, "name": str(repository.name)}
    if visibility is Visibility.PUBLIC:
        models.Repository.objects.update_or_create(
            **of_this, defaults=seen, create_defaults={**seen, "first_seen_at": now}
        )
    else:
        models.Repository.objects.filter(**of_this).update(**seen)


def fix(reach: Reach, visibility: Visibility) -> None:
    """Have the operator's word count for these repositories, in place of an earlier one."""
    models.VisibilityRule.objects.update_or_create(
        upstream=reach.upstream,
        pattern=str(reach.pattern),
        defaults={"visibility": visibility.value},
    )


def unfix(reach: Reach) -> bool:
    """Have upstream be asked again; whether there was a rule for exactly this."""
    row = models.VisibilityRule.objects.filter(
        upstream=reach.upstream, pattern=str(reach.pattern)
    ).first()
    if row is None:
        return False
    row.delete()
    return True


@question
def list_rules() -> Rules:
    """What operators fixed by hand, those first that count first.

    The more a rule says, the earlier it counts: a name comes before a pattern, a long pattern
    before a short one. Of two that say as much, the one that keeps things private does.
    """
    rows = sorted(
        models.VisibilityRule.objects.all(),
        key=lambda rule: (
            any(star in rule.pattern for star in "*?"),
            -len(rule.pattern),
            not rule.upstream,
            rule.visibility == Visibility.PUBLIC.value,
            rule.pk,
        ),
    )
    return tuple(
        (Reach(row.upstream, Pattern(row.pattern)), Visibility(row.visibility)) for row in rows
    )
