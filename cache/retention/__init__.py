"""What is kept and what goes: by last pull, by size, by free space, by an operator's word.

The commands and the dashboard call the same functions: :class:`Run` for an eviction, :func:`find`
and :func:`purge` for one bad image, :func:`pin`, :func:`unpin` and :func:`list_pins`. The
running mirror calls :func:`keep_house`. Everything that goes is recorded in
:class:`cache.models.Removal`.
"""

from cache.retention.evict import NotTaken, Removed
from cache.retention.janitor import clean, keep_house
from cache.retention.pins import Pinned, list_pins, pin, unpin
from cache.retention.policy import Image, LoneBlob, Policy, Reason
from cache.retention.purge import Found, find, purge
from cache.retention.reconcile import reconcile
from cache.retention.run import Busy, Run, Summary, Use, current_policy, measure
from cache.retention.usage import Usage, usage
from cache.retention.words import ago, name_of, readable, short

__all__ = [
    "Busy",
    "Found",
    "Image",
    "LoneBlob",
    "NotTaken",
    "Pinned",
    "Policy",
    "Reason",
    "Removed",
    "Run",
    "Summary",
    "Usage",
    "Use",
    "ago",
    "clean",
    "current_policy",
    "find",
    "keep_house",
    "list_pins",
    "measure",
    "name_of",
    "pin",
    "purge",
    "readable",
    "reconcile",
    "short",
    "unpin",
    "usage",
]
