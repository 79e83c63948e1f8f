"""Moving the records of a mirror from SQLite to PostgreSQL: all of them, or none."""

from cache.moving.move import Job, Moved, move, survey
from cache.moving.places import Refused, Source, Target
from cache.moving.tables import Table, tables

__all__ = ["Job", "Moved", "Refused", "Source", "Table", "Target", "move", "survey", "tables"]
