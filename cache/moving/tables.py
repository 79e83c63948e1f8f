"""What there is to move: every table of every application, and its rows as plain values.

That is the records of pulls, tags, traffic and removals, and the people too: users, groups,
grants, tokens, sessions, and who has mistyped a password how often.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from django.apps import apps
from django.db import models

#: Rows that are in memory at a time: a manifest has four mebibytes at most, usually two kibibytes.
_CHUNK = 500

_LARGEST = 1 << 128


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the database, as Django knows it.

    ``needs`` are the other tables that its rows point to; ``counter`` is the column that the
    database numbers by itself, if there is one.
    """

    model: type[models.Model]
    name: str
    fields: tuple[models.Field[Any, Any], ...]
    needs: frozenset[str]
    counter: str | None

    @property
    def columns(self) -> list[str]:
        return [each.column or "" for each in self.fields]

    def count(self, alias: str) -> int:
        """How many rows the database of that name has."""
        return self._all(alias).count()

    def rows(self, alias: str) -> Iterator[tuple[Any, ...]]:
        """All rows, in no order, a few of them in memory at a time."""
        names = [each.attname for each in self.fields]
        yield from self._all(alias).values_list(*names).iterator(chunk_size=_CHUNK)

    def _all(self, alias: str) -> models.QuerySet[models.Model]:
        return models.QuerySet(self.model, using=alias)


def _table(model: type[models.Model]) -> Table | None:
    """Its table, if it has one of its own."""
    meta = model._meta  # noqa: SLF001 - Django's documented way to look at a model
    if meta.proxy or not meta.managed:
        return None
    related = (each.remote_field.model for each in meta.concrete_fields if each.remote_field)
    needs = {other._meta.db_table for other in related}  # noqa: SLF001 - the same
    key = meta.auto_field
    return Table(
        model,
        meta.db_table,
        tuple(meta.concrete_fields),
        frozenset(needs - {meta.db_table}),
        None if key is None else key.column,
    )


def tables() -> list[Table]:
    """All of them, each after those that its rows point to."""
    found = map(_table, apps.get_models(include_auto_created=True))
    waiting = [table for table in found if table is not None]
    ready: list[Table] = []
    while waiting:
        known = {each.name for each in ready}
        free = [each for each in waiting if each.needs <= known]
        if not free:
            raise AssertionError(f"tables that need each other: {[t.name for t in waiting]}")
        ready += free
        waiting = [each for each in waiting if each not in free]
    return ready


@dataclass(slots=True)
class Content:
    """What is in a table, so that two can be compared whatever the order of their rows."""

    rows: int = 0
    total: int = field(default=0, repr=False)

    def add(self, row: tuple[Any, ...]) -> None:
        """Count the row in."""
        text = repr(tuple(map(_plain, row)))
        digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        self.rows += 1
        self.total = (self.total + int.from_bytes(digest)) % _LARGEST


def _plain(value: Any) -> Any:
    """The value as either database's driver gives it."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    if isinstance(value, (dict, list)):
        return json.dumps(value, sort_keys=True)
    return value
