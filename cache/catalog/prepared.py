"""Queries of the hot path, whose SQL is made once: making it takes longer than running it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from django.db import connection
from django.db.models import QuerySet


class Prepared:
    """The first row of a query that ``build`` makes of values for ``names``, in that order.

    The row comes as the database driver gives it: for columns that need no conversion only, and
    for times, see :func:`moment`.
    """

    def __init__(self, *names: str, build: Callable[..., QuerySet[Any, Any]]) -> None:
        self._marks = tuple(f"<{name}>" for name in names)
        self._build = build

    def first(self, *values: str) -> tuple[Any, ...] | None:
        """The first row for these values, None if there is none; raises ``django.db.Error``."""
        sql, parameters = self._compiled(connection.vendor)
        given = dict(zip(self._marks, values, strict=True))
        with connection.cursor() as cursor:
            cursor.execute(sql, [given.get(parameter, parameter) for parameter in parameters])
            row: tuple[Any, ...] | None = cursor.fetchone()
        return row

    @functools.cache  # noqa: B019 - they live as long as the process, one for each query
    def _compiled(self, _vendor: str) -> tuple[str, tuple[Any, ...]]:
        """The SQL with marks for its parameters, where the values go."""
        sql, parameters = self._build(*self._marks)[:1].query.sql_with_params()
        return sql, tuple(parameters)


def moment(given: datetime) -> datetime:
    """A time as a driver gives it: SQLite's have no zone, as Django writes them in UTC."""
    return given if given.tzinfo is not None else given.replace(tzinfo=UTC)
