"""What is kept and what goes: by last pull, by size, by free space, by an operator's word.

The commands and the dashboard call the same functions: :class:`Run` for an eviction, :func:`find`
and :func:`purge` for one bad image, :func:`pin`, :func:`unpin` and :func:`list_pins`. The dashboard
does so by way of :mod:`cache.retention.orders`, so that no request waits for it. The running mirror
calls :func:`keep_house`, and :func:`keep_working` on what was ordered. Everything that goes is
recorded in :class:`cache.models.Removal`.
"""

from cache.retention.evict import NotTaken, Removed
from cache.retention.janitor import INTERVAL, clean, keep_house
from cache.retention.orders import CARRYING_OUT, LOOKING, NotThatWay, keep_working, work_off
from cache.retention.pins import Pinned, list_pins, pin, unpin
from cache.retention.policy import Image, LoneBlob, Policy, Reason
from cache.retention.purge import Found, find, purge
from cache.retention.reconcile import reconcile
from cache.retention.run import Busy, Run, Summary, Use, current_policy, measure
from cache.retention.sizes import add_up, held
from cache.retention.usage import Usage, usage
from cache.retention.words import ago, name_of, readable, short

__all__ = [
    "CARRYING_OUT",
    "INTERVAL",
    "LOOKING",
    "Busy",
    "Found",
    "Image",
    "LoneBlob",
    "NotTaken",
    "NotThatWay",
    "Pinned",
    "Policy",
    "Reason",
    "Removed",
    "Run",
    "Summary",
    "Usage",
    "Use",
    "add_up",
    "ago",
    "clean",
    "current_policy",
    "find",
    "held",
    "keep_house",
    "keep_working",
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
    "work_off",
]
