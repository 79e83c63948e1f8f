"""What the janitor did, and what was wrong with it, for the operator to see."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from django.db import Error as DatabaseError

from cache import models
from cache.database import note
from cache.retention.run import Summary

#: So many runs are remembered.
_REMEMBERED = 500


@dataclass(slots=True)
class Told:
    """What is to be said of a run when it ends."""

    summary: Summary | None = None


@contextmanager
def told(began_at: datetime, now: Callable[[], datetime]) -> Iterator[Told]:
    """Have a run be known from its begin to its end; what it raises is told, and raised again.

    ``now`` gives the time. A database that takes nothing of this prevents no run.
    """
    found: list[int] = []
    _begin(began_at, found)
    said = Told()
    problem = ""
    try:
        yield said
    except Exception as error:
        problem = _sentence(error)
        raise
    finally:
        _end(found, now(), said.summary or Summary(), problem)


def _sentence(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, DatabaseError):
        return f"the database failed: {text}"
    return f"the store failed: {text}" if isinstance(error, OSError) else text


@note
def _begin(began_at: datetime, found: list[int]) -> None:
    found[:] = [models.JanitorRun.objects.create(began_at=began_at).pk]
    models.JanitorRun.objects.filter(pk__lte=found[0] - _REMEMBERED).delete()


@note
def _end(found: list[int], ended_at: datetime, summary: Summary, problem: str) -> None:
    models.JanitorRun.objects.filter(pk__in=found).update(
        ended_at=ended_at,
        images=summary.images,
        blobs=summary.blobs,
        size=summary.size,
        held=summary.held,
        over=summary.over,
        short=summary.short,
        problem=problem,
    )
