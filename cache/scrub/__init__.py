"""The scrub: the whole store is read again now and then, and what is wrong is found and put right.

This room knows the store as :class:`~cache.streaming.store.Store` and the database as
:class:`~cache.scrub.verify.Records`; time comes in through :class:`~cache.scrub.pace.Pace`.
"""

from cache.scrub.findings import DAMAGE, Finding, Kind
from cache.scrub.pace import Pace
from cache.scrub.place import Place, resumable
from cache.scrub.reading import read_from_disk
from cache.scrub.schedule import alone, keep_verifying, log_finding
from cache.scrub.verify import Job, Records, verify

__all__ = [
    "DAMAGE",
    "Finding",
    "Job",
    "Kind",
    "Pace",
    "Place",
    "Records",
    "alone",
    "keep_verifying",
    "log_finding",
    "read_from_disk",
    "resumable",
    "verify",
]
