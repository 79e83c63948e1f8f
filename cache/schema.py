"""Whether the database has this program's tables."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.executor import MigrationExecutor


@dataclass(frozen=True, slots=True)
class Schema:
    """``newer`` names what only a newer program can have made; ``is_behind``: migrations wait.

    ``is_empty``: no program has made any yet.
    """

    newer: tuple[str, ...]
    is_behind: bool
    is_empty: bool

    @property
    def is_ours(self) -> bool:
        """Whether this program can ask for what it has."""
        return not (self.newer or self.is_behind)


def read(of: BaseDatabaseWrapper | None = None) -> Schema:
    """How a database's tables stand to this program, the mirror's own if not that ``of`` another.

    Raises ``django.db.Error``.
    """
    executor = MigrationExecutor(of or connection)
    newer = sorted(
        f"{app}.{name}"
        for app, name in executor.loader.applied_migrations
        if app in executor.loader.migrated_apps
        and (app, name) not in executor.loader.graph.nodes
        and (app, name) not in executor.loader.disk_migrations
    )
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return Schema(tuple(newer), bool(plan), not executor.loader.applied_migrations)
